// The form of a repeated scan: the browser's own time zone, and the next runs as
// soon as the plan changes. Without this script a button shows them.

const fields = ['every', 'weekday', 'hour', 'zone'].map((id) => document.getElementById(id));
const [every, weekday, , zone] = fields;
const runs = document.getElementById('runs');
let asked = 0;

async function show() {
  weekday.disabled = every.value !== 'weekly';
  const mine = ++asked;
  const plan = new URLSearchParams(fields.map((field) => [field.name, field.value]));
  let answer;
  try {
    const response = await fetch(`/scans/schedules/runs?${plan}`, { headers: { Accept: 'application/json', 'X-Portal-Pull': '1' }, redirect: 'manual' });
    answer = await response.json();
  } catch {
    return; // what is shown was true of the plan before; the form is checked when it is sent
  }
  if (mine !== asked || !answer.runs) return;
  runs.replaceChildren(...(answer.runs.length ? answer.runs.map(line) : [note(answer.error)]));
}

function line({ at, text }) {
  const time = Object.assign(document.createElement('time'), { dateTime: at, textContent: text });
  const item = document.createElement('li');
  item.append(time);
  return item;
}

const note = (text) => Object.assign(document.createElement('li'), { className: 'muted', textContent: text });

export function start() {
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone.dataset.own !== undefined && own) zone.value = own;
  for (const field of fields) field.addEventListener('change', show);
  show();
}
