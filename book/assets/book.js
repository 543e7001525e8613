// Repairs what the theme and the widgets leave without a name, for readers who listen to a page or use its keyboard,
// and what does not work without a server.
(function () {
  // From a folder, not a server, search cannot read the pages that it finds: it shows their titles alone.
  if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;

  const named = (element) => element.hasAttribute("aria-label") || element.hasAttribute("aria-labelledby");
  const text = (element) => (element ? element.textContent.trim() : "");

  function nameSliderHandles() {
    for (const handle of document.querySelectorAll(".noUi-handle[role=slider]")) {
      if (named(handle)) continue;
      const name = text(handle.closest(".jupyter-widgets")?.querySelector(".widget-label")) || "Value";
      const isRange = handle.parentElement.parentElement.querySelectorAll(".noUi-handle").length > 1;
      const end = handle.classList.contains("noUi-handle-lower") ? "from" : "to";
      handle.setAttribute("aria-label", isRange ? `${name}, ${end}` : name);
    }
  }

  // An image widget has no alternative text of its own: its tooltip serves, else the controls beside it.
  function describeWidgetImages() {
    for (const image of document.querySelectorAll("img.widget-image:not([alt])")) {
      const labels = image.closest(".cell_output")?.querySelectorAll(".widget-label") ?? [];
      const controls = [...labels].map(text).filter(Boolean).join(", ");
      image.alt = image.title || (controls ? `Figure for the chosen ${controls}` : "Figure");
    }
  }

  function reachScrollingFormulas() {
    for (const formula of document.querySelectorAll("mjx-container[display=true]:not([tabindex])")) {
      if (formula.scrollWidth > formula.clientWidth) formula.tabIndex = 0;
    }
  }

  // The colour-mode button and the search button show text that their names do not hold.
  function nameThemeControls() {
    for (const icon of document.querySelectorAll(".theme-switch-button svg:not([aria-hidden])")) {
      icon.querySelector("title")?.remove();
      icon.removeAttribute("role");
      icon.removeAttribute("aria-labelledby");
      icon.setAttribute("aria-hidden", "true");
    }
    for (const button of document.querySelectorAll(".search-button-field[aria-label]")) {
      button.setAttribute("aria-label", text(button).replace(/\s+/g, " "));
    }
    const contents = document.getElementById("pst-primary-sidebar");
    contents?.setAttribute("role", "region");
    contents?.setAttribute("aria-label", "Book");
  }

  // Paper is white, whatever the screen is.
  const theme = document.documentElement.dataset;
  let onScreen;
  addEventListener("beforeprint", () => ([onScreen, theme.theme] = [theme.theme, "light"]));
  addEventListener("afterprint", () => (theme.theme = onScreen));

  let waiting = false;
  function repair() {
    waiting = false;
    nameSliderHandles();
    describeWidgetImages();
    reachScrollingFormulas();
    nameThemeControls();
  }

  // Widgets and formulas appear long after the page has loaded, and again at each change.
  document.addEventListener("DOMContentLoaded", () => {
    const observer = new MutationObserver(() => {
      if (!waiting) requestAnimationFrame(repair);
      waiting = true;
    });
    observer.observe(document.body, { childList: true, subtree: true });
    repair();
  });
})();
