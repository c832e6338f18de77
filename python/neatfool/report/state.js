// What the page knows of itself, and of each image by the fragment of its permalink. What lies in a folder comes when it is asked for.
const about = JSON.parse(document.getElementById("page").textContent);
const entries = new Map();
for (const block of document.querySelectorAll("script.entries")) {
  for (const [anchor, entry] of Object.entries(JSON.parse(block.textContent))) entries.set(anchor, {...entry, ...block.dataset});
}
const receive = (anchor, entry) => Object.assign(entries.get(anchor), entry);
const arrival = anchor => new Promise((done, fail) => {
  const script = element("script", {src: `${about.folder}/${anchor}.js`});
  script.addEventListener("load", done);
  script.addEventListener("error", fail);
  document.head.append(script);
});

// The state of the page is in the fragment: "#class-506&q=fish&group=fooled&by=hierarchy&layout=plate".
const read = () => {
  const parts = location.hash.slice(1).split("&").filter(Boolean);
  return {anchor: parts.find(part => !part.includes("=")) ?? "", fields: new URLSearchParams(parts.filter(part => part.includes("=")).join("&"))};
};
const write = (anchor, fields) => {
  const kept = new URLSearchParams([...fields].filter(([, value]) => value)).toString();
  history.replaceState(null, "", "#" + [anchor, kept].filter(Boolean).join("&"));
};

