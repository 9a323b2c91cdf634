// Draws every figure of the page and keeps the zoom of the figures of one group together.
"use strict";
(() => {
  const coarse = window.matchMedia("(pointer: coarse)").matches;
  const config = {
    responsive: true,
    displaylogo: false,
    doubleClick: "reset",
    displayModeBar: coarse ? false : "hover",
    modeBarButtons: [["toImage", "zoom2d", "resetScale2d"]],
  };
  const groups = new Map();
  let linking = false;

  // The range that the reader chose in one figure, or came back to, is given to all x axes of its group.
  const link = (chart, event) => {
    if (linking || !Object.keys(event).some((name) => /^xaxis\d*\.(range|autorange)/.test(name))) return;
    linking = true;
    const range = [...chart.layout.xaxis.range];
    const others = groups.get(chart.dataset.group).filter((other) => other !== chart);
    const moved = others.map((other) => {
      const axes = Object.keys(other.layout).filter((name) => /^xaxis\d*$/.test(name));
      return Plotly.relayout(other, Object.fromEntries(axes.map((axis) => [`${axis}.range`, [...range]])));
    });
    Promise.all(moved).finally(() => { linking = false; });
  };

  const draw = (source) => {
    const chart = document.getElementById(source.dataset.for);
    const figure = JSON.parse(source.textContent);
    if (chart.clientWidth < 600) {
      figure.data.forEach((part) => { delete part.texttemplate; }); // no room in the cells
      const named = figure.data.filter((part) => part.name && part.showlegend !== false).length;
      if (named > 2) figure.layout.height += 17 * (named - 1); // the legend is a column here, at the plot's cost
    }
    if (coarse) figure.layout.dragmode = false; // a finger that drags scrolls the page
    return Plotly.newPlot(chart, figure.data, figure.layout, config).then(() => {
      const group = chart.dataset.group;
      if (!group) return;
      groups.set(group, [...(groups.get(group) || []), chart]);
      chart.on("plotly_relayout", (event) => link(chart, event));
    });
  };

  // One after the other, with a breath between them, so that the first screen is there before the last figure is.
  const charts = [...document.querySelectorAll("script.chart-data")];
  const breath = () => new Promise((go) => { setTimeout(go, 0); });
  charts.reduce((before, chart) => before.then(() => draw(chart)).then(breath), Promise.resolve())
    .then(() => { document.documentElement.dataset.drawn = String(charts.length); });
  window.addEventListener("beforeprint", () => {
    document.querySelectorAll("details").forEach((part) => { part.open = true; });
    document.querySelectorAll(".chart").forEach((chart) => Plotly.Plots.resize(chart));
  });
})();
