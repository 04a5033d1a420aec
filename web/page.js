"use strict";
// Keeps the page up to date with what /events says. The words are made by the
// server; they are put in their places as text, and never as markup.
(() => {
  const byId = (id) => document.getElementById(id);

  // fill puts what data has into the places under el. What data does not have
  // stays as it is.
  function fill(el, data) {
    const d = el.dataset;
    if (d.if !== undefined) {
      const not = d.if[0] === "!";
      const key = not ? d.if.slice(1) : d.if;
      if (data[key] !== undefined) el.hidden = not === Boolean(data[key]);
    }
    if (d.attr !== undefined) {
      for (const pair of d.attr.split(" ")) {
        const [name, key] = pair.split("=");
        if (data[key] !== undefined && el.getAttribute(name) !== data[key]) el.setAttribute(name, data[key]);
      }
    }
    if (d.k !== undefined) {
      if (data[d.k] !== undefined && el.textContent !== data[d.k]) el.textContent = data[d.k];
      return;
    }
    if (d.list !== undefined) {
      if (data[d.list] !== undefined) list(el, data[d.list], byId("of-" + d.of));
      return;
    }
    if (d.with !== undefined) {
      data = data[d.with];
      if (data === undefined) return;
    }
    for (const child of el.children) fill(child, data);
  }

  // list makes the children of el those of items. Rows keep their elements, so
  // that what has the focus, or is folded out, stays so.
  function list(el, items, template) {
    const rows = new Map();
    const keys = new Set(items.map((item) => item.key));
    for (const row of [...el.children]) {
      if (keys.has(row.dataset.key)) rows.set(row.dataset.key, row);
      else row.remove();
    }
    let next = el.firstElementChild;
    for (const item of items) {
      let row = rows.get(item.key);
      if (row === undefined) {
        row = template.content.firstElementChild.cloneNode(true);
        row.dataset.key = item.key;
      }
      fill(row, item);
      if (row === next) next = next.nextElementSibling;
      else el.insertBefore(row, next);
    }
  }

  // The details of a process.
  const figures = [["pid", "pid"], ["state", "state"], ["wait", "waits for"], ["since", "in this state for"], ["cpu", "CPU used"],
    ["memory", "memory of its own"], ["user", "user"], ["database", "database"], ["application", "application"],
    ["client", "client"], ["pin", "kept for its"], ["query", "statement"]];
  const processes = new Map();
  const dialog = byId("process");
  let shown = "";

  function learn(census) {
    processes.clear();
    for (const server of census.servers) {
      const add = (p) => processes.set(p.key, { p, role: server.roles[p.kind] || "", server: server.name });
      add(server.postmaster);
      server.others.forEach(add);
      server.more.forEach(add);
      for (const group of server.groups) {
        group.rows.forEach(add);
        group.more.forEach(add);
      }
    }
  }

  function show(key) {
    const known = processes.get(key);
    byId("process-gone").hidden = known !== undefined;
    if (known === undefined) return;
    byId("process-h").textContent = known.p.kind;
    byId("process-role").textContent = known.role;
    const into = byId("process-figures");
    const rows = [["server", known.server]];
    for (const [name, label] of figures) {
      const value = known.p[name];
      if (value) rows.push([label, value]);
    }
    into.replaceChildren(...rows.map(([label, value]) => {
      const row = document.createElement("div");
      const dt = document.createElement("dt");
      const dd = document.createElement("dd");
      dt.textContent = label;
      dd.textContent = value;
      row.append(dt, dd);
      return row;
    }));
  }

  document.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close(); // beside it
    const process = event.target.closest("[data-process]");
    if (process === null) return;
    shown = process.dataset.process;
    show(shown);
    if (!processes.has(shown)) return;
    dialog.showModal();
    byId("process-h").focus(); // and not the button at its end
  });
  dialog.addEventListener("close", () => { shown = ""; });

  // The chart of five minutes or of an hour.
  function choose(name) {
    for (const button of document.querySelectorAll("[data-chart]")) {
      const chosen = button.dataset.chart === name;
      button.setAttribute("aria-pressed", String(chosen));
      byId(button.dataset.chart).hidden = !chosen;
    }
  }
  for (const button of document.querySelectorAll("[data-chart]")) {
    button.addEventListener("click", () => choose(button.dataset.chart));
  }
  choose("seconds");

  // What is said aloud: at once when the verdict or the connection changes, and
  // the figures once a minute at most.
  let spokenAt = 0;
  let spokenVerdict = "";
  function speak(verdict, text) {
    if (verdict === spokenVerdict && Date.now() - spokenAt < 60000) return;
    spokenVerdict = verdict;
    spokenAt = Date.now();
    if (byId("spoken").textContent !== text) byId("spoken").textContent = text;
  }

  // The connection. A browser tries again by itself, unless it was refused.
  const link = byId("link");
  let source = null;
  let lostAt = null;
  let again = 0;

  function connected() {
    lostAt = null;
    link.textContent = "live";
    link.dataset.tone = "well";
  }

  function lost() {
    if (lostAt === null) {
      lostAt = new Date();
      const text = "disconnected since " + lostAt.toLocaleTimeString();
      link.textContent = text;
      link.dataset.tone = "critical";
      speak("disconnected", text);
    }
    if (source !== null && source.readyState === EventSource.CLOSED) {
      clearTimeout(again);
      again = setTimeout(connect, 5000);
    }
  }

  function connect() {
    clearTimeout(again);
    if (source !== null) source.close();
    source = new EventSource("/events");
    source.addEventListener("error", lost);
    source.addEventListener("state", (event) => {
      connected();
      const state = JSON.parse(event.data);
      document.title = state.title;
      for (const el of document.querySelectorAll(".state")) fill(el, state);
      speak(state.verdict, state.summary);
    });
    source.addEventListener("census", (event) => {
      const census = JSON.parse(event.data);
      const focus = document.activeElement && document.activeElement.dataset.process;
      learn(census);
      fill(byId("servers"), census);
      if (focus && document.activeElement === document.body) {
        // Its row has moved.
        const row = document.querySelector(`[data-process="${CSS.escape(focus)}"]`);
        if (row !== null) row.focus();
      }
      if (shown !== "") show(shown);
    });
  }

  // A page that nobody looks at asks for nothing.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      clearTimeout(again);
      if (source !== null) source.close();
      source = null;
    } else if (source === null) {
      connect();
    }
  });
  if (!document.hidden) connect();
})();
