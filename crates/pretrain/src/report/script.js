// Hovering: the text of a point, and the values of curves. Without this the page shows all the same, and points have their titles.
"use strict";
(() => {
  const tip = document.getElementById("tip");
  const hide = () => { tip.hidden = true; };
  const show = (event, content) => {
    tip.replaceChildren(...content);
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    const left = event.clientX + 14 + box.width > innerWidth ? event.clientX - 14 - box.width : event.clientX + 14;
    const top = event.clientY + 14 + box.height > innerHeight ? event.clientY - 14 - box.height : event.clientY + 14;
    tip.style.left = `${Math.max(8, left)}px`;
    tip.style.top = `${Math.max(8, top)}px`;
  };

  // Titles become our own, for theirs come late, and never by touch.
  for (const svg of document.querySelectorAll(".chart svg")) {
    const circles = [...svg.querySelectorAll("circle")].filter((circle) => circle.querySelector("title"));
    for (const circle of circles) {
      circle.text = circle.textContent;
      circle.querySelector("title").remove();
    }
    const inMap = svg.closest(".map");
    const pick = (event) => {
      const text = event.target.text;
      if (inMap) {
        const cluster = text && text.split("\n")[0];
        svg.classList.toggle("picked", Boolean(text));
        for (const circle of circles) circle.classList.toggle("mate", circle.text.split("\n")[0] === cluster);
      }
      if (text) show(event, [text]);
      else hide();
    };
    if (circles.length > 0) {
      svg.addEventListener("pointermove", pick);
      svg.addEventListener("pointerdown", pick);
      svg.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") pick({ target: svg }); });
    }
  }

  const axis = (text) => {
    const [from, to, first, last, logarithmic] = text.split(" ").map(Number);
    const scale = logarithmic ? Math.log10 : (value) => value;
    const back = logarithmic ? (value) => 10 ** value : (value) => value;
    return (place) => back(scale(from) + (scale(to) - scale(from)) * (place - first) / (last - first));
  };
  const number = (value) => Number(value.toPrecision(4)).toLocaleString("en", { maximumSignificantDigits: 4 });

  for (const figure of document.querySelectorAll(".curves")) {
    const svg = figure.querySelector("svg");
    const [xOf, yOf] = [axis(figure.dataset.x), axis(figure.dataset.y)];
    const arms = [...figure.closest(".arms").querySelectorAll(".legend label")].map((label) => {
      const name = label.querySelector("span");
      const lines = [...svg.querySelectorAll(`polyline[stroke="${name.dataset.stroke}"][opacity="1"]`)];
      const points = lines.flatMap((line) => [...line.points].map((point) => [point.x, point.y]));
      return { label, name, points };
    });
    const read = (event) => {
      const place = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
      let step = null;
      const rows = [];
      for (const { label, name, points } of arms) {
        if (points.length === 0 || !label.querySelector("input").checked) continue;
        const nearest = points.reduce((best, point) => Math.abs(point[0] - place.x) < Math.abs(best[0] - place.x) ? point : best);
        step ??= Math.max(0, Math.round(xOf(nearest[0])));
        const row = document.createElement("div");
        row.append(name.querySelector("svg").cloneNode(true), ` ${number(yOf(nearest[1]))}  ${name.textContent}`);
        rows.push(row);
      }
      if (step === null) return hide();
      const head = document.createElement("b");
      head.textContent = `step ${step.toLocaleString("en")}`;
      show(event, [head, ...rows]);
    };
    svg.addEventListener("pointermove", read);
    svg.addEventListener("pointerdown", read);
    svg.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") hide(); });
  }
  document.addEventListener("scroll", hide, { passive: true });
})();
