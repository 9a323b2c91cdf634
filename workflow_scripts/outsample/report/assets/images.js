// Put at the end of a copy of the page: replaces the page by its figures as images, on white, for a program to read.
"use strict";
(async () => {
  while (!document.documentElement.dataset.drawn) await new Promise((go) => { setTimeout(go, 20); });
  const images = {};
  for (const chart of document.querySelectorAll(".chart")) {
    const ink = { paper_bgcolor: "#ffffff", plot_bgcolor: "#ffffff", "font.color": "#1b1f24" };
    for (const axis of Object.keys(chart.layout).filter((name) => /^[xy]axis\d*$/.test(name))) {
      ink[`${axis}.gridcolor`] = "#e4e8ec";
      ink[`${axis}.zerolinecolor`] = "#b5bcc4";
    }
    await Plotly.relayout(chart, ink);
    const size = { width: 960, height: chart.layout.height };
    images[chart.id.replace(/^figure-/, "")] = {
      svg: await Plotly.toImage(chart, { format: "svg", ...size }),
      png: await Plotly.toImage(chart, { format: "png", scale: 2, ...size }),
    };
  }
  const made = document.createElement("script");
  made.type = "application/json";
  made.id = "images";
  made.textContent = JSON.stringify(images);
  document.body.replaceChildren(made);
})();
