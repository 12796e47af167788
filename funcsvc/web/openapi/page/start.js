// Shows openapi.json. The files are long, and the service sends only so many long answers at once:
// they are asked for one after the other, and again after a second where one is refused.
const TRIES = 10;

async function patiently(attempt) {
  for (let left = TRIES; ; left--) {
    try {
      return await attempt();
    } catch (error) {
      if (left <= 1) throw error;
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }
}

function add(name, attributes) {
  const element = Object.assign(document.createElement(name), attributes);
  const loaded = new Promise((resolve, reject) => {
    element.onload = resolve;
    element.onerror = () => {
      element.remove();
      reject(new Error("not loaded"));
    };
  });
  document.head.append(element);
  return loaded;
}

async function description() {
  const answer = await fetch("openapi.json");
  if (!answer.ok) throw new Error(answer.statusText);
  return answer.json();
}

async function start() {
  await patiently(() => add("link", { rel: "stylesheet", href: "docs/swagger-ui.css" }));
  await patiently(() => add("script", { src: "docs/swagger-ui-bundle.js" }));
  // validatorUrl is null so that the page asks no other host.
  SwaggerUIBundle({
    spec: await patiently(description),
    dom_id: "#docs",
    deepLinking: true,
    validatorUrl: null,
    presets: [SwaggerUIBundle.presets.apis],
    layout: "BaseLayout",
  });
}

start().catch(() => {
  document.getElementById("docs").textContent =
    "The service is busy, or can't be reached: load this page again in a few seconds.";
});
