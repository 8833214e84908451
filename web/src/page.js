/** What both parts of the page need to show something. */

/** @param {number} share From 0 to 1. */
export const percent = (share) => `${(100 * share).toFixed(1)} %`;

/** Does what was asked for, or says in `problem` why it can't be done. */
export async function attempt(problem, action) {
  problem.textContent = "";
  try {
    await action();
  } catch (error) {
    problem.textContent = error.message;
  }
}
