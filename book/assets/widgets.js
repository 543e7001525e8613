// Widgets without a kernel: tells require.js where the site's own copies lie, and lends widgets MathJax 3.
(function () {
  const folder = new URL(".", document.currentScript.src).href;
  requirejs.config({
    paths: {
      anywidget: folder + "anywidget",
      "@jupyter-widgets/html-manager/dist/libembed-amd": folder + "vendor/embed-amd",
    },
  });

  // The widgets' label code still speaks to MathJax 2, whose Hub MathJax 3 no longer has.
  document.addEventListener("DOMContentLoaded", () => {
    if (!window.MathJax || window.MathJax.Hub) return;
    window.MathJax.Hub = {
      Queue: ([, , element]) => MathJax.startup.promise.then(() => MathJax.typesetPromise([element])),
    };
  });
})();
