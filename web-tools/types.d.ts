// The types that the scripts of the page use in their JSDoc. What the API answers comes from docs/openapi.json: `api.d.ts` is made from
// it by local/lint-page.sh.

type Schemas = import("./api.d.ts").components["schemas"];

// --- what the API answers

type Charge = Schemas["ChargeView"];
type Item = Schemas["ItemView"];
type Job = Schemas["JobView"] & { params: Params };
type JobPage = Schemas["JobsView"];
type Key = Schemas["KeyView"];
type Me = Schemas["MeView"];
type Model = Schemas["ModelView"];
type Movement = Schemas["MovementView"];
type Pack = Schemas["PackView"];
type Period = Schemas["PeriodView"];
type Plan = Schemas["PlanView"];
type Money = Schemas["MoneyView"];
type Prices = Schemas["PricesView"];
type Quote = Schemas["QuoteView"];
type Statement = Schemas["StatementView"];
type Subscription = Schemas["SubscriptionView"];
type Upload = Schemas["UploadView"];
/** Who may run something now; after a refusal also when to ask again, in seconds. */
type Access = Schemas["AccessView"] & { retryAfter?: number };
type Usage = Schemas["UsageView"] & { access: Access };

/** The answer of a run. One that went on as a job has no usage, and perhaps no original. */
type Result = Partial<Schemas["GenerateView"]> &
  Pick<Schemas["GenerateView"], "jobId" | "model" | "requestedModel" | "imageUrl" | "width" | "height">;

/** The settings that a job was made with. */
interface Params {
  scale?: number | null;
  quality?: string;
  prompt?: string | null;
}

/** What a run is asked for with, beside the photo itself. */
interface Order {
  model: string;
  scale?: number;
  quality?: string;
  face_enhance?: boolean;
  prompt?: string;
  [option: string]: string | number | boolean | undefined;
}

// --- what goes wrong

/** What a problem is about: the API's details differ by code, and the texts pick what they name. */
type Details = Record<string, any>;

/** A problem as it is told: a `Problem` of an API call, or a code of the page's own. */
interface Trouble {
  code: string;
  type?: string;
  details?: Details;
  message?: string;
  apiMessage?: string;
  requestId?: string;
  retryAfter?: number;
  status?: number;
}

/** Says what went wrong at `slot`; `again` does what failed once more. */
type Tell = (slot: HTMLElement, problem: any, again?: () => unknown) => void;

/** A file that was left out of a job, with the reason. */
interface LeftFile extends Trouble {
  name: string;
}

// --- calls

type Header = (name: string) => string | null;

interface CallOptions {
  method?: string;
  body?: BodyInit;
  /** The body is JSON. */
  json?: boolean;
  signal?: AbortSignal;
  /** Not from the browser's cache. */
  fresh?: boolean;
  headers?: Record<string, string>;
}

/** What a run or an upload tells on its way; `share` is from 0 to 1. */
interface Watch {
  signal?: AbortSignal;
  onUpload?: (share: number) => void;
  onQueue?: (job: Job) => void;
}

interface SendOptions extends Watch {
  headers?: Record<string, string>;
  /** Makes the answer of the finished request, or throws. */
  read: (request: XMLHttpRequest) => any;
}

// --- the studio

interface Size {
  width: number;
  height: number;
}

/** The chosen photo; width and height are 0 when this browser cannot decode it. */
interface Photo extends Size {
  file: File;
  url: string;
}

/** The answer of the last run, with what it was made with. */
type Outcome = Result & { fingerprint: string; seconds: number; kind: string; suffix: string };

/** A run under way; times are of `performance.now()`. */
interface Run {
  abort: AbortController;
  started: number;
  /** When the upload was complete. */
  sent?: number;
  /** Seconds it should take, or null when that cannot be known. */
  total: number | null;
  hosted: boolean;
  kind: string;
  /** How much of the photo was sent, from 0 to 1. */
  uploaded: number;
  /** The job as which it went on. */
  queued?: Job;
  /** The idempotency key of its order, once there is one. */
  key?: string;
  /** The server was asked to stop it. */
  stopping?: boolean;
}

interface StudioState {
  photo: Photo | null;
  /** Several photos instead of the one. */
  batch: import("../web/js/batch.js").Batch | null;
  outcome: Outcome | null;
  run: Run | null;
  /** A run that may have happened without an answer. */
  pending: { fingerprint: string; key: string } | null;
  compare: import("../web/js/compare.js").Compare | null;
  /** Too many runs in this minute: until then. */
  blockedUntil: number;
  /** The day's photos, of this reader or of the network, are used up until then. */
  closedUntil: number;
  /** The catalogue is there. */
  loaded: boolean;
  /** A run was refused because new ones are paused, and the reader still wants it. */
  wanted: boolean;
}

/** What the contact sheet of several photos uses of the studio. */
interface Studio {
  enter: (phase: string) => void;
  tell: (problem: Trouble, extra?: Details, slot?: HTMLElement) => void;
  clearNotices: () => void;
  startOver: (focus?: boolean) => void;
  open: (files: File[]) => Promise<void>;
  quoteSoon: () => void;
  showShare: (share: number) => void;
}

/** A photo of the contact sheet. */
interface SheetPhoto extends Partial<Size> {
  file: File;
  tile: HTMLElement;
  seen: boolean;
  look?: string;
  /** Its upload, once it is complete, and when that was. */
  key?: string | null;
  sentAt?: number;
  share?: number;
}

/** The reader's settings. */
interface Chosen {
  model: string | null | undefined;
  scale: number;
  quality: string;
  face: boolean;
  prompt: string;
  tuning: Tuning;
}

/** What refines an edit, where it was changed. */
type Tuning = Record<string, string | number>;

// --- the document

type Falsy = false | null | undefined | 0 | "";
type Child = Node | string | null | undefined;
/** Term and value of a description list. */
type Row = [string, Child];

type El = <K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes?: Record<string, unknown>,
  ...children: Child[]
) => HTMLElementTagNameMap[K];

/** Elements of the pages that are more than an HTMLElement, by id. */
interface ElementsById {
  "compare-template": HTMLTemplateElement;
  door: HTMLDialogElement;
  download: HTMLAnchorElement;
  "end-word": HTMLInputElement;
  file: HTMLInputElement;
  "key-cap": HTMLInputElement;
  "key-form": HTMLFormElement;
  "key-name": HTMLInputElement;
  photo: HTMLImageElement;
  "plan-end": HTMLDialogElement;
  prompt: HTMLTextAreaElement;
  "statement-csv": HTMLAnchorElement;
  tuning: HTMLDetailsElement;
  who: HTMLDetailsElement;
}

type ById = <K extends string>(id: K) => K extends keyof ElementsById ? ElementsById[K] : HTMLElement;

/** A choice of a group of radio buttons. */
interface Choice<V> {
  value: V;
  content: Child[];
  className?: string;
  blocked?: unknown;
  why?: string;
  /** Of a blocked one, in short. */
  title?: string;
}

/** A way on from a notice: a link, or something that happens. */
interface WayOn {
  label: string;
  href?: string;
  act?: (event: Event) => unknown;
  id?: string;
}

interface Said {
  kind?: string;
  title: string;
  text?: string;
  ways?: WayOn[];
  quiet?: boolean;
}

type StoreName = "localStorage" | "sessionStorage";

/** What the reader takes along to another page; filled by whoever hears the event "leaving". */
interface Luggage {
  files: File[];
  prompt: string;
  running: boolean;
}

interface WindowEventMap {
  leaving: CustomEvent<Luggage>;
  /** New runs were paused; the reader tried again, and they are not any more. */
  reopened: Event;
}

type Links = NodeListOf<HTMLAnchorElement>;

/** What the name of a model is made of; one that has left the catalogue has only its slug. */
type NamedModel = Pick<Model, "slug"> & Partial<Model>;

/** Takes the way on that the reader chose. */
type Act = (way: string, event?: Event) => unknown;

/** How a problem is shown; see `show` of problems.js. */
interface Shown {
  extra?: Details;
  act?: Act;
  quiet?: boolean;
  told?: { title: string; text: string };
  ways?: string[];
  label?: (way: string) => string | null;
}

/** A setting that refines an edit: what a model takes when nothing is sent, and how a value is said. */
interface Slider {
  min: number;
  max: number;
  step: number;
  usual: number;
  said: (value: number) => string;
}

/** What somebody went to buy, and since when. */
interface Bought {
  pack?: number;
  plan?: string;
  since?: number;
}

/** Credits that expire next. */
type Expiring = Usage["credits"]["expiringNext"];

/** A place in the frame of a comparison, in CSS pixels. */
interface Point {
  x: number;
  y: number;
}

/** What a model is called, alone or `said` in a sentence; empty until the catalogue is there. */
type NameOf = (slug: string, said?: boolean) => string;

/** The model that was asked for, and the one that made an item instead. */
type Swap = [asked: string, ran: string];

/** What the reader wants of a job; `index` is the photo to look at. */
type CardAct = (name: string, job: Job, index?: number) => unknown;
