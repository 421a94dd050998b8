/**
 * What a rule's condition saw in stick tables, for `option log-decision`: when the rule ends a request, its log line
 * names the table, the key and the value that decided. Fetches that read tables are compiled with a note of what
 * they read only when a proxy of the configuration has the option, so without it nothing is done and nothing is
 * asked under traffic.
 *
 * A rule is evaluated in one go and rules of one thread one after the other, so the notes of the condition that is
 * being evaluated are one small set of slots per thread, written over and over: a note is five stores and no object.
 * `Condition` empties it before each group of terms, so what stands there when a rule applies was seen by the group
 * that held; `takeSightings` copies it when the rule ended its set. It gives up the fifth value and those after it.
 */
import type { ConfigModel } from '../config/model.js';
import type { StickTable } from '../stick-table/table.js';
import type { TrackedCounter } from '../stick-table/tracked-counter.js';
import type { Evaluate, SampleValue } from './types.js';
import { toText } from './values.js';

const SLOTS = 4;

/** One value that a condition read in a table. */
export interface Sighting {
	/** Name of the table. */
	readonly table: string;
	readonly key: SampleValue;
	/** `http_req_rate`, `gpc(2)`. */
	readonly data: string;
	readonly value: SampleValue;
}

let count = 0;
const tables: (StickTable | undefined)[] = new Array(SLOTS).fill(undefined);
/** Either the tracked counter or the key that was looked up. */
const counters: (TrackedCounter | undefined)[] = new Array(SLOTS).fill(undefined);
const keys: (SampleValue | undefined)[] = new Array(SLOTS).fill(undefined);
const names: string[] = new Array(SLOTS).fill('');
const values: (SampleValue | undefined)[] = new Array(SLOTS).fill(undefined);

const watched = new WeakMap<ConfigModel, boolean>();

/** Whether conditions of this configuration note what they see. */
export function notesSightings(model: ConfigModel): boolean {
	let isWatched = watched.get(model);
	if (isWatched === undefined) {
		isWatched = model.proxies.some(({ options }) => options.logDecision);
		watched.set(model, isWatched);
	}
	return isWatched;
}

export function clearSightings(): void {
	count = 0;
}

/** A value read from a tracked entry; its key is read only if the rule decides. */
export function sawTracked(
	table: StickTable,
	counter: TrackedCounter,
	data: string,
	value: SampleValue | undefined,
): void {
	note(table, counter, undefined, data, value);
}

/** A value that was looked up by its key. */
export function sawKey(table: StickTable, key: SampleValue, data: string, value: SampleValue | undefined): void {
	note(table, undefined, key, data, value);
}

function note(
	table: StickTable,
	counter: TrackedCounter | undefined,
	key: SampleValue | undefined,
	data: string,
	value: SampleValue | undefined,
): void {
	if (count === SLOTS || value === undefined) return;
	tables[count] = table;
	counters[count] = counter;
	keys[count] = key;
	names[count] = data;
	values[count] = value;
	count++;
}

const NONE: readonly Sighting[] = [];

/** What the condition that was evaluated last has seen, oldest first. */
export function takeSightings(): readonly Sighting[] {
	if (count === 0) return NONE;
	const seen: Sighting[] = [];
	for (let slot = 0; slot < count; slot++) {
		const counter = counters[slot];
		const key = counter === undefined ? keys[slot] : counter.entry === 0 ? undefined : counter.key;
		const value = values[slot];
		if (key === undefined || value === undefined) continue;
		seen.push({ table: (tables[slot] as StickTable).name, key, data: names[slot] as string, value });
	}
	count = 0;
	return seen;
}

/** A lookup by key that notes what it found. */
export function noting(
	table: StickTable,
	data: string,
	keyOf: (stream: Parameters<Evaluate>[0]) => SampleValue | undefined,
	read: (key: SampleValue, stream: Parameters<Evaluate>[0]) => SampleValue | undefined,
): Evaluate {
	return (stream) => {
		const key = keyOf(stream);
		if (key === undefined) return undefined;
		const value = read(key, stream);
		sawKey(table, key, data, value);
		return value;
	};
}

/** The rule that ended a request, and what its condition saw. */
export interface Decision {
	readonly file: string;
	readonly line: number;
	/** `http-request deny`. */
	readonly rule: string;
	readonly sightings: readonly Sighting[];
}

/**
 * One field of a log line, to its end: `/etc/holdfast.cfg:31 http-request deny table=t key=192.0.2.7 http_req_rate=101`.
 * Table and key are not said again for a second value of the same entry.
 */
export function decisionText({ file, line, rule, sightings }: Decision): string {
	let text = `${file}:${line} ${rule}`;
	let shown = '';
	for (const { table, key, data, value } of sightings) {
		const entry = ` table=${word(table)} key=${word(toText(key))}`;
		if (entry !== shown) text += entry;
		shown = entry;
		text += ` ${data}=${word(toText(value))}`;
	}
	return text;
}

/** A key may be what a client sent: without spaces, quotes and control characters it can forge no field of the line. */
function word(text: string): string {
	return text.replace(
		/[^\x21\x24-\x7e]/g,
		(char) => `#${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
	);
}
