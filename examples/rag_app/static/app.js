// The chat: asks, shows what comes as it comes, and says what a reader thinks of it.
import { randomId, vote } from "./feedback.js";

const byId = (id) => document.getElementById(id);
const form = byId("ask"), question = byId("question"), send = byId("send"), stop = byId("stop");
const status = byId("status"), exchanges = byId("exchanges");
const settings = await (await fetch("api/settings")).json();
let conversation = randomId(); // of this window; the cookie says whose it is
let last = null; // exchange
let running = null; // what stops the answer that is being made

byId("model").textContent = `Model: ${settings.model}`;
byId("notice").textContent = settings.notice;
byId("notice").hidden = !settings.notice;

// One exchange on the page: a question, its answer, and what may be done with it.
class Exchange {
  constructor(text) {
    this.question = text;
    this.votes = Promise.resolve(); // one after another: the last one holds
    this.element = byId("exchange").content.cloneNode(true).firstElementChild;
    this.part("question").textContent = text;
    exchanges.append(this.element);
    this.part("again").addEventListener("click", () => this.regenerate());
    this.part("copy").addEventListener("click", () => this.copy());
    this.part("report").addEventListener("submit", (event) => this.report(event));
    for (const button of this.buttons()) button.addEventListener("click", () => this.press(button));
  }

  part(name) { return this.element.querySelector(`.${name}`); }

  buttons() { return [...this.element.querySelectorAll(".vote")]; }

  async ask(again) {
    this.answer = { trace_id: "", capability: "" };
    this.element.style.minHeight = again ? `${this.element.offsetHeight}px` : ""; // no jump
    this.part("text").textContent = "";
    this.part("text").setAttribute("aria-busy", "true");
    for (const name of ["trouble", "sources", "tools", "report"]) this.part(name).hidden = true;
    for (const button of this.buttons()) button.setAttribute("aria-pressed", "false");
    this.note("");
    running = new AbortController();
    show(true);
    try {
      await this.read(again, running.signal);
    } catch (error) {
      if (error.name !== "AbortError") this.trouble("The connection is lost. Ask again.");
    } finally {
      running = null;
      following(() => {
        this.part("text").removeAttribute("aria-busy");
        this.part("tools").hidden = !this.part("text").textContent;
        this.element.style.minHeight = "";
        show(false);
      });
      status.textContent = `Answer: ${this.part("text").textContent}`;
    }
  }

  async read(again, signal) {
    const response = await fetch("api/answers", {
      method: "POST", signal, headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ question: this.question, conversation, again }) });
    if (!response.ok) throw new Error(`status ${response.status}`);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (let ended = false; !ended;) {
      const { value, done } = await reader.read();
      ended = done;
      const lines = (rest + (value ?? "")).split("\n");
      rest = lines.pop();
      following(() => lines.forEach((line) => this.take(JSON.parse(line))));
    }
  }

  take(line) {
    if (line.trace_id) {
      this.answer = { ...line, conversation };
      this.part("trace").querySelector("code").textContent = line.trace_id;
    }
    if (line.sources) this.cite(line.sources);
    const text = this.part("text");
    if (line.text) text.append(text.textContent ? line.text : line.text.trimStart());
    if (line.error) this.trouble(line.error);
  }

  cite(sources) {
    this.part("sources").hidden = false;
    this.part("none").hidden = sources.length > 0;
    const list = this.part("sources").querySelector("ol");
    list.hidden = !sources.length;
    list.replaceChildren(...sources.map((source) => {
      const item = byId("source").content.cloneNode(true);
      item.querySelector(".heading").textContent = source.heading;
      item.querySelector(".page").textContent = source.page;
      // Made of Markdown by the server, which lets no HTML of the page's own through.
      item.querySelector(".passage").innerHTML = source.html;
      item.querySelector(".passage").setAttribute("aria-label", source.heading);
      return item;
    }));
  }

  async press(button) {
    if (button.getAttribute("aria-pressed") === "true") return;
    const before = this.buttons().map((one) => one.getAttribute("aria-pressed"));
    for (const one of this.buttons()) one.setAttribute("aria-pressed", String(one === button));
    const down = button.dataset.name === "thumbs_down";
    if (await this.vote(button.dataset.name, down ? "Noted." : "Thank you."))
      following(() => { this.part("report").hidden = !down; });
    else this.buttons().forEach((one, at) => one.setAttribute("aria-pressed", before[at]));
  }

  async copy() {
    try {
      await navigator.clipboard.writeText(this.part("text").textContent);
    } catch {
      this.note("The browser does not let this page copy.", true);
      return;
    }
    await this.vote("copy", "Copied.");
  }

  async report(event) {
    event.preventDefault();
    const text = this.part("report").querySelector("textarea");
    if (!await this.vote("report_hallucination", "Reported.", text.value.trim())) return;
    this.part("report").hidden = true;
    text.value = "";
    this.part("copy").focus();
  }

  async regenerate() {
    if (running) return;
    this.vote("regenerate", ""); // of the answer that goes; the new one does not wait for it
    await this.ask(true);
    this.part("again").focus();
  }

  // Whether it was taken; the answer's own line says so.
  vote(name, thanks, explanation = "") {
    const answer = this.answer;
    this.votes = this.votes.then(async () => {
      const reason = settings.feedback_url
        ? await vote(settings.feedback_url, answer, name, explanation) : "";
      if (answer === this.answer) this.note(reason || thanks, Boolean(reason));
      return !reason;
    });
    return this.votes;
  }

  note(text, failed = false) {
    this.part("noted").textContent = text;
    this.part("noted").classList.toggle("failed", failed);
    if (text) status.textContent = text;
  }

  trouble(text) {
    this.part("trouble").textContent = text;
    this.part("trouble").hidden = false;
  }
}

// Who reads the end of the page goes on reading its end, whatever this adds to it.
function following(change) {
  const near = innerHeight + scrollY > document.body.scrollHeight - 120;
  change();
  if (near) scrollTo({ top: document.body.scrollHeight });
}

// While an answer is made it may be stopped, and nothing else may be asked.
function show(busy) {
  send.hidden = busy;
  stop.hidden = !busy;
  for (const button of document.querySelectorAll(".again")) button.hidden = true;
  if (last) last.part("again").hidden = busy;
  if (!settings.feedback_url)
    for (const button of document.querySelectorAll(".vote")) button.hidden = true;
}

async function ask(text) {
  if (running || !text.trim()) return;
  byId("welcome").hidden = true;
  question.value = "";
  last = new Exchange(text.trim());
  last.element.scrollIntoView({ block: "start" });
  await last.ask(false);
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  ask(question.value);
});
question.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  ask(question.value);
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && running) running.abort();
});
stop.addEventListener("click", () => {
  running?.abort();
  question.focus();
});
for (const button of byId("examples").querySelectorAll("button"))
  button.addEventListener("click", () => {
    question.focus();
    ask(button.textContent);
  });
byId("new").addEventListener("click", () => {
  running?.abort();
  if (last?.answer.trace_id) last.vote("conversation_end", "");
  last = null;
  conversation = randomId();
  exchanges.replaceChildren();
  byId("welcome").hidden = false;
  status.textContent = "A new conversation.";
  question.focus();
});
