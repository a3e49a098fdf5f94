// All words of the page, in both languages. `{anchor}` and `{viewer}` are users' names.

const en = {
  pageTitle: "Console – live room gateway",
  skip: "Skip to the users",
  product: "Live room gateway",
  sandbox: "sandbox",
  api: "API",
  language: "Language",
  heading: "One room, two users",
  lead: "Each user signs in with their own token and asks the same gateway. The room’s anchor gets the address to broadcast to; everyone else gets the room without it.",
  life: "The room’s life",
  stepCreate: "Create",
  stepLive: "Go live",
  stepStop: "Stop",
  stepDelete: "Delete",
  hints: [
    "Create a room as either user, who is its anchor then. The other one watches.",
    "Go live as {anchor}, and {viewer}’s events show it at once. Heartbeats keep it living while this page is open.",
    "Stop it as {viewer}, and see that the gateway refuses. Then stop it as {anchor}.",
    "Delete it as {anchor}: both event streams end.",
    "The room is gone. Create another, as either user.",
  ],
  openLabel: "Room id",
  open: "Open",
  title: "Title",
  example: "Friday session",
  create: "Create room",
  read: "Read",
  acts: { create: "create", read: "read", live: "go live", stop: "stop", delete: "delete" },
  labels: {
    ".actions": (user) => `Actions of ${user}`,
    ".view": (user) => `The room, as ${user} sees it`,
    ".answer": (user) => `Last answer to ${user}`,
    ".events": (user) => `Events of ${user}`,
    ".events ol": (user) => `Events of ${user}, newest first`,
  },
  answer: "Last answer",
  unasked: "Nothing asked yet.",
  events: "Events",
  copy: "Copy",
  copied: "Copied",
  copyTitle: "Copy the command, with the token in it",
  command: "The same with curl",
  roles: { none: "signed in", anchor: "anchor", viewer: "viewer" },
  states: { 0: "created", 1: "live", 2: "ended", gone: "deleted" },
  streams: { off: "no room", connecting: "connecting", open: "watching", over: "ended" },
  nothing: "No room yet.",
  noEvents: "Nothing heard yet.",
  unread: "not read yet",
  hidden: "not shown to this user",
  secret: "Whoever has it can broadcast as {anchor}.",
  all: "All fields",
  unset: "not set",
  cache: "Cache",
  requestId: "Request id",
  took: "Time",
  none: "none",
  whole: "the whole room",
  gone: "The room is deleted; the stream has ended.",
  unreachable: "No answer",
  unreachableDetail: "Is the sandbox still running?",
  noUsers: "This sandbox gave no users to this page. Open it as http://127.0.0.1 or http://localhost.",
  said: {
    ok: (user, act) => `${user}, ${act}: done.`,
    refused: (user, act, why) => `${user}, ${act}: refused. ${why}`,
  },
  problems: {
    not_room_anchor: ["Not the room’s anchor", "Only the anchor of this room may do this."],
  },
};

const zh = {
  pageTitle: "控制台 – 直播间网关",
  skip: "跳到用户",
  product: "直播间网关",
  sandbox: "沙箱",
  api: "API",
  language: "语言",
  heading: "一个直播间，两个用户",
  lead: "两个用户各用自己的令牌，访问同一个网关。主播能拿到推流地址，其他人看到的直播间没有它。",
  life: "直播间的一生",
  stepCreate: "创建",
  stepLive: "开播",
  stepStop: "停播",
  stepDelete: "删除",
  hints: [
    "以任一用户创建直播间，创建者就是主播，另一位是观众。",
    "以 {anchor} 开播，{viewer} 的事件里立刻能看到。只要此页面开着，心跳就会让直播持续。",
    "先以 {viewer} 停播，看网关如何拒绝，再以 {anchor} 停播。",
    "以 {anchor} 删除，两边的事件流随之结束。",
    "直播间已删除。可以用任一用户再建一个。",
  ],
  openLabel: "直播间 ID",
  open: "打开",
  title: "标题",
  example: "周五场",
  create: "创建直播间",
  read: "读取",
  acts: { create: "创建", read: "读取", live: "开播", stop: "停播", delete: "删除" },
  labels: {
    ".actions": (user) => `${user} 的操作`,
    ".view": (user) => `${user} 看到的直播间`,
    ".answer": (user) => `给 ${user} 的最近应答`,
    ".events": (user) => `${user} 的事件`,
    ".events ol": (user) => `${user} 的事件，最新的在前`,
  },
  answer: "最近应答",
  unasked: "还没有请求。",
  events: "事件",
  copy: "复制",
  copied: "已复制",
  copyTitle: "复制命令，内含令牌",
  command: "等价的 curl 命令",
  roles: { none: "已登录", anchor: "主播", viewer: "观众" },
  states: { 0: "已创建", 1: "直播中", 2: "已结束", gone: "已删除" },
  streams: { off: "没有直播间", connecting: "连接中", open: "收听中", over: "已结束" },
  nothing: "还没有直播间。",
  noEvents: "还没有事件。",
  unread: "尚未读取",
  hidden: "不向该用户显示",
  secret: "拿到它的人可以用 {anchor} 的名义推流。",
  all: "全部字段",
  unset: "未设置",
  cache: "缓存",
  requestId: "请求 ID",
  took: "耗时",
  none: "无",
  whole: "完整的直播间",
  gone: "直播间已删除，事件流已结束。",
  unreachable: "没有应答",
  unreachableDetail: "沙箱还在运行吗？",
  noUsers: "沙箱没有把用户交给本页。请用 http://127.0.0.1 或 http://localhost 打开。",
  said: {
    ok: (user, act) => `${user} ${act}：成功。`,
    refused: (user, act, why) => `${user} ${act}：被拒绝。${why}`,
  },
  problems: {
    invalid_request: ["请求无效", "请看下面各字段的说明。"],
    not_room_anchor: ["不是该直播间的主播", "只有主播可以这样做。"],
    room_not_found: ["没有这个直播间", "它不存在，或已被删除。"],
    room_not_live: ["直播间不在直播", "它还没有开播，或已经结束。"],
    room_ended: ["直播已结束", "结束的直播间不能再开播，请另建一个。"],
    rate_limited: ["请求太频繁", "请稍后再试。"],
    token_expired: ["令牌已过期", "请重启沙箱后重新打开本页。"],
    token_invalid: ["令牌无效", "沙箱可能已重启，请重新打开本页。"],
    upstream_unavailable: ["上游不可用", "请稍后再试。"],
    upstream_timeout: ["上游超时", "请稍后再试。"],
    upstream_error: ["上游出错", "上游的应答无法使用。"],
    outcome_unknown: ["结果未知", "操作可能已经完成，也可能没有。"],
  },
};

const LANGUAGES = { en, zh };

let chosen = navigator.language.startsWith("zh") ? "zh" : "en";

/** Return the words of the chosen language. */
export const texts = () => LANGUAGES[chosen];

/** Return the chosen language. */
export const language = () => chosen;

/** Choose a language, and put its words into the page's fixed elements. */
export function speak(wanted) {
  chosen = wanted;
  document.documentElement.lang = { en: "en", zh: "zh-CN" }[chosen];
  document.title = texts().pageTitle;
  for (const each of all("[data-text]")) each.textContent = texts()[each.dataset.text];
  for (const each of all("[data-label]")) each.ariaLabel = texts()[each.dataset.label];
  for (const each of all(".languages button")) each.ariaPressed = String(each.lang === chosen);
}

const all = (selector) => document.querySelectorAll(selector);

/** Return a text with names in it. */
export const filled = (text, names) => text.replace(/\{(\w+)\}/g, (_, name) => names[name]);
