import { loaded } from "./client.js";
import "./many-texts.js";
import "./one-text.js";
import "./style.css";

const status = document.getElementById("model-status");

loaded.then(
  ({ type }) => {
    status.hidden = true;
    document.body.className = type;
  },
  (error) => {
    status.setAttribute("role", "alert");
    status.textContent = `The model could not be loaded. ${error.message}`;
  },
);
