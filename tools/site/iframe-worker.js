// Browsers start no worker from a page that was opened as a file, and the search of the site is a worker. Then a hidden
// frame takes its place: its script runs there, and messages pass as they do with a worker, on the page's own thread.
"use strict";
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      this.onmessage = null;
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      document.body.append(this.frame);
      this.waiting = [];
      const inner = this.frame.contentWindow;
      inner.postMessage = (data) => {
        const message = new MessageEvent("message", { data: structuredClone(data) });
        this.dispatchEvent(message);
        this.onmessage?.(message);
      };
      const script = inner.document.createElement("script");
      script.src = new URL(url, location.href).href;
      script.onload = () => {
        const early = this.waiting;
        this.waiting = null;
        early.forEach((data) => this.postMessage(data));
      };
      script.onerror = () => this.onerror?.(new Event("error"));
      inner.document.body.append(script);
    }

    postMessage(message) {
      const inner = this.frame.contentWindow, data = structuredClone(message);
      if (this.waiting) this.waiting.push(data);
      else setTimeout(() => inner.dispatchEvent(new inner.MessageEvent("message", { data })));
    }

    terminate() {
      this.frame.remove();
    }
  };
}
