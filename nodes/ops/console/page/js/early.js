// Before anything is drawn: light or dark as was chosen the last time, else as the system says.
(function () {
  "use strict";
  try {
    const chosen = localStorage.getItem("mesh-theme");
    if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
  } catch { /* a browser that keeps nothing follows the system */ }
})();
