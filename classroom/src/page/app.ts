/** The page as a whole: its state, its head and its side, and when it is drawn again. */
import { lessons } from "../lessons/index.js";
import type { Settings } from "../contract.js";
import { Controls } from "./controls.js";
import { calm, el } from "./dom.js";
import { inside } from "./fields.js";
import { write, type Fault, type Shown } from "./hash.js";
import { Head } from "./head.js";
import { LessonPanel } from "./lesson.js";
import { Own } from "./own.js";
import { nearest, Recorded } from "./recorded.js";
import { PRETRAINING, Runs, type Source } from "./runs.js";
import { Sections } from "./sections.js";
import { notes, Stage } from "./stage.js";
import { addressed, beginning, frozen, lessonOf, makeWorker, RECORDED, TEXTS, translated, unable, worldOf } from "./start.js";
import { Tip } from "./tip.js";

const DEBOUNCE = 250; // [ms] after the last change of a control, before the training starts again
const REDRAW = 130; // [ms] between two pictures while a training runs
const CALM_REDRAW = 1000; // the same for readers who ask for less motion
const PATIENCE = 60; // [s] a training whose rest takes longer is called slow

export class App {
  private shown: Shown;
  private fault: Fault | null;
  private source: Source;
  private why: string | null = unable();
  private stage: Stage | null = null;
  private readonly tip = new Tip();
  private draws = 2;
  private debounce = 0;
  private redraw = 0;
  private tab: "controls" | "lessons" | "" = "controls";
  private head!: Head;
  private sections!: Sections;
  private controls!: Controls;
  private lesson!: LessonPanel;
  private own!: Own;
  private side!: HTMLElement;
  private problem = "";

  constructor(private readonly root: HTMLElement) {
    ({ shown: this.shown, fault: this.fault } = addressed(location.hash));
    this.source = this.makeSource();
    if (this.shown.lesson) this.tab = "lessons";
    if (innerWidth < 900 && !this.shown.lesson) this.tab = "";
    this.mount();
    this.restart(!calm());
    addEventListener("resize", () => this.later());
    addEventListener("hashchange", () => this.fromHash());
  }

  private get t() {
    return TEXTS[this.shown.language];
  }

  /** The settings to which "back" leads. */
  private get first(): Settings {
    return beginning(this.shown.language, lessonOf(this.shown.lesson));
  }

  private makeSource(): Source {
    if (this.why === null) {
      try {
        const runs = new Runs(makeWorker, () => this.later(), () => { if (runs.device === "none") this.fallBack(runs.reason); });
        return runs;
      } catch (error) {
        this.why = error instanceof Error ? error.message : String(error);
      }
    }
    return new Recorded(RECORDED, () => this.later());
  }

  /** The worker found that it cannot train: recorded runs are shown, if there are any. */
  private fallBack(reason: string): void {
    if (RECORDED.length === 0) return;
    this.why = reason;
    this.source.pause();
    this.source = new Recorded(RECORDED, () => this.later());
    this.restart(!calm());
  }

  /** Build everything anew, in the present language. */
  private mount(): void {
    const { t } = this;
    document.documentElement.lang = t.lang;
    document.title = t.title;
    const { tip } = this;
    tip.hide();
    this.head = new Head(t, {
      play: () => (this.source.phase === "running" ? this.source.pause() : this.playOrAgain()),
      step: () => (this.problem ? this.restart(false) : this.source.step()), reset: () => this.restart(false), language: () => this.switchLanguage(),
      tab: (name) => this.openTab(this.tab === name && innerWidth < 900 ? "" : name),
    });
    this.sections = new Sections(t, tip, { prompt: (prompt) => this.look({ prompt }), again: () => { this.draws += 1; this.draw(); }, axes: (log) => this.look({ axes: log ? "log" : "linear" }) });
    this.own = new Own(t, (own) => this.change({ own }));
    this.controls = new Controls(t, tip, (part) => this.change(part), this.own.box, () => this.change(this.first));
    const before = this.lesson as LessonPanel | undefined;
    this.lesson = new LessonPanel(lessons, this.shown.language, t, { choose: (id) => this.openLesson(id), predicted: () => this.draw(), start: () => this.restart(true), leave: () => this.openLesson("") });
    this.lesson.resume(before);
    this.side = el("aside", { id: "side" }, this.head.tabs, this.controls.box, this.lesson.box);
    this.root.replaceChildren(el("a", { class: "skip", href: "#main", click: (e: Event) => { e.preventDefault(); this.sections.box.focus(); } }, t.skip), this.head.box, el("div", { class: "body" }, this.side, this.sections.box), tip.box);
    this.openTab(this.tab);
    this.lesson.show(this.shown.lesson);
    this.showControls();
  }

  private openTab(tab: "controls" | "lessons" | ""): void {
    this.tab = tab;
    this.controls.box.hidden = tab !== "controls";
    this.lesson.box.hidden = tab !== "lessons";
    this.head.mark(tab);
  }

  private switchLanguage(): void {
    const { first, shown: { settings, language } } = this;
    this.shown = { ...this.shown, language: language === "en" ? "zh" : "en" };
    this.shown.settings = translated(settings, first, this.first);
    const playing = this.source.phase === "running" || this.source.phase === "done";
    this.mount();
    if (this.shown.settings.world !== settings.world || this.shown.settings.own !== settings.own) this.restart(playing);
    else this.draw();
    this.head.focusLanguage();
    this.writeHash();
  }

  private openLesson(id: string): void {
    this.shown.lesson = id;
    this.lesson.show(id);
    if (id) {
      Object.assign(this.shown, { settings: this.first, axes: "auto" });
      this.fault = null;
      this.restart(false);
    }
    this.writeHash();
    this.lesson.box.querySelector("button")?.focus();
  }

  private look(part: Partial<Pick<Shown, "prompt" | "axes">>): void {
    Object.assign(this.shown, part);
    this.writeHash();
    this.draw();
  }

  /** A control was changed: tuning and control start again, a moment after the last change. */
  private change(part: Partial<Settings>): void {
    const asked = { ...this.shown.settings, ...part };
    const world = worldOf(asked, this.shown.language);
    const settings = world ? inside(asked, world) : asked; // a control may have chosen another world
    const onlyDecoding = Object.keys(part).join() === "decode";
    this.shown.settings = settings;
    this.fault = null;
    clearTimeout(this.debounce);
    this.writeHash();
    this.showControls();
    if (onlyDecoding) return this.draw();
    this.debounce = setTimeout(() => this.restart(true), DEBOUNCE) as unknown as number;
  }

  private playOrAgain(): void {
    if (this.lesson.open) return this.lesson.begin();
    if (this.problem || this.source.phase === "done" || this.source.phase === "failed") this.restart(true);
    else this.source.play();
  }

  /** Begin anew with the present settings. Nothing is given away before the prediction of a lesson. */
  private restart(play: boolean): void {
    clearTimeout(this.debounce);
    const { settings } = this.shown;
    if (settings.world === "own" && settings.own === "") settings.own = this.t.own.example;
    if (this.source instanceof Recorded) Object.assign(settings, nearest(RECORDED, settings)?.settings);
    const world = settings.world === "own" ? this.own.world(settings.own) : frozen(settings.world);
    this.problem = "";
    if (!world) return this.failed(settings.world === "own" ? "" : `world: ${settings.world} is not in this file`);
    try {
      this.stage = new Stage(world, settings);
    } catch (error) {
      return this.failed(error instanceof Error ? error.message : String(error));
    }
    const { prompts } = this.stage;
    if (!prompts.includes(this.shown.prompt)) this.shown.prompt = prompts[0] ?? 0;
    this.writeHash();
    this.source.begin(world, { ...settings }, play && !this.lesson.open);
    this.showControls();
    this.draw();
  }

  private failed(why: string): void {
    this.problem = why;
    this.source.pause();
    this.showControls();
    this.draw();
  }

  private later(): void {
    if (this.redraw) return;
    this.redraw = setTimeout(() => { this.redraw = 0; requestAnimationFrame(() => this.draw()); }, calm() && this.source.phase === "running" ? CALM_REDRAW : REDRAW) as unknown as number;
  }

  private showControls(): void {
    const { settings } = this.shown;
    const locked = this.source instanceof Recorded ? this.t.recorded.locked : null;
    this.controls.show(settings, settings.world === "own" ? (this.stage?.world ?? null) : frozen(settings.world), locked);
    this.own.show(settings.own, settings.world === "own", locked !== null);
  }

  private alert(): string {
    const { t, source } = this;
    if (this.problem) return t.told(this.problem);
    if (this.fault) return t.badHash(this.fault.key, this.fault.found, this.fault.need);
    if (source instanceof Recorded) return `${t.recorded.title} ${RECORDED.length ? t.recorded.why(this.why ?? "") : t.recorded.none}`;
    if (source.phase === "failed") return t.failed(source.why);
    if (source.phase === "running" && source.left > PATIENCE) return t.slow(Math.round(source.left / 60));
    return "";
  }

  /** The side sticks below the head, whose height depends on its lines. */
  private fit(): void {
    const height = `${this.head.box.offsetHeight}px`;
    const { style } = document.documentElement;
    if (style.getPropertyValue("--head") !== height) style.setProperty("--head", height);
  }

  private draw(): void {
    const { source, stage, t } = this;
    const scene = stage?.scene(source, this.shown, t) ?? null;
    const step = source.tracks.tuning.frames.at(-1)?.step ?? 0;
    const counter = source.phase === "pretraining" ? t.pretraining(source.pretrained, PRETRAINING) : t.stepOf(step, source.total);
    this.head.show(source.phase, source instanceof Recorded ? t.replay : t.play, counter, source.total ? step / source.total : 0, this.alert(), this.lesson.locked);
    this.fit();
    this.sections.box.hidden = this.problem !== ""; // what was trained before has other settings
    if (!scene) return this.head.say(t.status[source.phase]);
    this.sections.show(scene, this.shown.prompt, this.draws, notes(scene), source.phase === "running");
    this.head.say(source.phase === "done" ? `${t.status.done} ${this.sections.headline.textContent ?? ""}` : t.status[source.phase]);
    const { tracks } = source;
    if (source.phase !== "done") return;
    const decoded = scene.settings.decode === 1 || source instanceof Recorded ? undefined : { tuning: scene.after, control: scene.afterControl };
    this.lesson.seen({ world: scene.world, settings: scene.settings, tuning: tracks.tuning.frames, control: tracks.control.frames, decoded });
  }

  private writeHash(): void {
    history.replaceState(null, "", `#${write(this.shown, this.first)}`);
  }

  private fromHash(): void {
    ({ shown: this.shown, fault: this.fault } = addressed(location.hash));
    this.mount();
    this.restart(!calm());
  }
}
