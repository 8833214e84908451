/** The page's side of the worker that runs the model. */

import * as Comlink from "comlink";

export const classifier = Comlink.wrap(new Worker(new URL("./classifier.js", import.meta.url), { type: "module" }));

/** Settles when the model has been loaded, or could not be. */
export const loaded = classifier.load(new URL(".", document.baseURI).pathname);
