/**
 * When stick counters count (specification stick-tables.md, sections 5 to 7): one function per moment in the
 * life of a connection or request, called by steps.ts and the engines, so that the table of that document
 * can be read here.
 *
 * An event goes to the stream's counter n, or to the session's counter n if the stream has none.
 */
import type { DataSlot, StickTable } from '../stick-table/table.js';
import type { TrackedCounter } from '../stick-table/tracked-counter.js';

/** The slots of each event in one table, looked up once per table and thread. */
class EventSlots {
	readonly session: readonly DataSlot[];
	readonly request: readonly DataSlot[];
	readonly error: readonly DataSlot[];
	readonly failure: readonly DataSlot[];
	readonly bytesIn: readonly DataSlot[];
	readonly bytesOut: readonly DataSlot[];
	readonly glitch: readonly DataSlot[];

	constructor(table: StickTable) {
		this.session = table.eventSlots('sess');
		this.request = table.eventSlots('http_req');
		this.error = table.eventSlots('http_err');
		this.failure = table.eventSlots('http_fail');
		this.bytesIn = table.eventSlots('bytes_in');
		this.bytesOut = table.eventSlots('bytes_out');
		this.glitch = table.eventSlots('glitch');
	}
}

export type TrackedEvent = keyof EventSlots;

const slotsOfTable = new WeakMap<StickTable, EventSlots>();
/** The table asked for last: with one tracker per request it is nearly always the next, too. */
let lastTable: StickTable | undefined;
let lastSlots: EventSlots | undefined;

function slotsOf(table: StickTable): EventSlots {
	if (table === lastTable) return lastSlots as EventSlots;
	let slots = slotsOfTable.get(table);
	if (slots === undefined) {
		slots = new EventSlots(table);
		slotsOfTable.set(table, slots);
	}
	lastTable = table;
	lastSlots = slots;
	return slots;
}

/** Constants compared, which costs less than a look-up by a name that varies. */
function slotsFor(slots: EventSlots, event: TrackedEvent): readonly DataSlot[] {
	switch (event) {
		case 'request':
			return slots.request;
		case 'bytesIn':
			return slots.bytesIn;
		case 'bytesOut':
			return slots.bytesOut;
		case 'error':
			return slots.error;
		case 'failure':
			return slots.failure;
		case 'session':
			return slots.session;
		case 'glitch':
			return slots.glitch;
	}
}

type Trackers = readonly (TrackedCounter | undefined)[];

export function countOn(tracked: TrackedCounter, event: TrackedEvent, amount: number, nowMs: number): void {
	const slots = slotsFor(slotsOf(tracked.table), event);
	if (slots.length > 0) tracked.count(slots, amount, nowMs);
}

/** The event on every counter of a stream: its own, and the session's where it has none. */
export function countOnAll(
	own: Trackers | undefined,
	session: Trackers,
	event: TrackedEvent,
	amount: number,
	nowMs: number,
): void {
	const length = own === undefined || session.length > own.length ? session.length : own.length;
	for (let index = 0; index < length; index++) {
		const tracked = own?.[index] ?? session[index];
		if (tracked !== undefined) countOn(tracked, event, amount, nowMs);
	}
}

export function closeAll(trackers: Trackers, nowMs: number): void {
	for (const tracked of trackers) tracked?.close(nowMs);
}
