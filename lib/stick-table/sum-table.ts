/**
 * A table whose entries are sums over nodes: what rules see under the `to` name of an aggregation.
 *
 * Its own memory holds the sum of the *other* nodes' shares, written by the control thread as they arrive; what
 * this node counts itself is added from its source table at each reading. Keeping the whole sum in one place
 * would make a request wait for the control thread to see itself counted, and would put every counted request
 * through that thread. This way a client that spreads over the threads of one node is counted exactly, from
 * request to request, and only what happens elsewhere is late, by the way over the network. The price is a
 * second lookup for each reading.
 *
 * Nothing counts here. Rules may track in it, so that `sc_` fetches read sums, but what tracking and counting
 * actions would change is left alone: it would be neither this node's share nor anyone's. Both tables are
 * locked one after the other, never together.
 */
import type { StickTableModel } from '../config/model.js';
import { tick } from '../core/clock.js';
import type { SampleValue } from '../sample/types.js';
import type { EntryView } from './entry-view.js';
import { type DataSlot, EXPIRE, STATE, UNTRACKED } from './layout.js';
import { addShare, sumRuleOf } from './sums.js';
import { type EntryRef, type GpcSlots, StickTable } from './table.js';

export class SumTable extends StickTable {
	readonly #own: StickTable;
	readonly #ownView: EntryView;

	/** `own` is the table that this node counts in; both have the same keys and stored types. */
	constructor(model: StickTableModel, buffer: SharedArrayBuffer, own: StickTable) {
		super(model, buffer);
		this.#own = own;
		this.#ownView = own.newView();
	}

	/** The sum of the other nodes' shares alone, as an ordinary table on the same memory. */
	remote(): StickTable {
		return new StickTable(this.model, this.buffer);
	}

	// ---- Readings ----

	override read(entry: EntryRef, slot: DataSlot, index: number, nowMs: number): number {
		const remote = super.read(entry, slot, index, nowMs);
		const key = this.keyOf(entry) as SampleValue;
		return this.#sum(slot, remote, this.#own.readByKey(key, slot, index, nowMs), key, nowMs);
	}

	override readByKey(value: SampleValue, slot: DataSlot, index: number, nowMs: number): number | undefined {
		const remote = super.readByKey(value, slot, index, nowMs);
		const own = this.#own.readByKey(value, slot, index, nowMs);
		return remote === undefined ? own : this.#sum(slot, remote, own, value, nowMs);
	}

	/** Nearly always the client was counted in the own table just before: its entry is at hand. */
	override readTracked(
		tracking: StickTable,
		entry: EntryRef,
		slot: DataSlot,
		index: number,
		nowMs: number,
	): number | undefined {
		if (tracking.buffer !== this.#own.buffer || sumRuleOf(slot) === 'newest') {
			return super.readTracked(tracking, entry, slot, index, nowMs);
		}
		const own = this.#own.read(entry, slot, index, nowMs);
		const remote = this.readBeside(tracking, entry, slot, index, nowMs) ?? 0;
		return slot.class === 'uint32' ? (remote + own) >>> 0 : remote + own;
	}

	#sum(slot: DataSlot, remote: number, own: number | undefined, key: SampleValue, nowMs: number): number {
		if (own === undefined) return remote;
		if (sumRuleOf(slot) === 'newest') return this.#isOwnNewer(key, nowMs) ? own : remote;
		return slot.class === 'uint32' ? (remote + own) >>> 0 : remote + own;
	}

	/** Which of both was touched last; its own where that cannot be told, since its news has not travelled. */
	#isOwnNewer(key: SampleValue, nowMs: number): boolean {
		const remoteIdleMs = super.idleMs(key, nowMs);
		const ownIdleMs = this.#own.idleMs(key, nowMs);
		return ownIdleMs !== undefined && (remoteIdleMs === undefined || ownIdleMs <= remoteIdleMs);
	}

	override has(value: SampleValue, nowMs: number): boolean {
		return super.has(value, nowMs) || this.#own.has(value, nowMs);
	}

	override expireMs(value: SampleValue, nowMs: number): number | undefined {
		return pick(Math.max, super.expireMs(value, nowMs), this.#own.expireMs(value, nowMs));
	}

	override idleMs(value: SampleValue, nowMs: number): number | undefined {
		return pick(Math.min, super.idleMs(value, nowMs), this.#own.idleMs(value, nowMs));
	}

	override trackers(value: SampleValue, nowMs: number): number | undefined {
		return super.trackers(value, nowMs) ?? (this.#own.has(value, nowMs) ? 0 : undefined);
	}

	override serverId(value: SampleValue, nowMs: number): number | undefined {
		return this.#newest(value, nowMs, super.serverId(value, nowMs) || undefined, () =>
			this.#own.serverId(value, nowMs),
		);
	}

	override serverKey(value: SampleValue, nowMs: number): string | undefined {
		return this.#newest(value, nowMs, super.serverKey(value, nowMs) || undefined, () =>
			this.#own.serverKey(value, nowMs),
		);
	}

	override matchServer(value: SampleValue, nowMs: number): { serverId: number; serverKey: string } | undefined {
		if (!this.has(value, nowMs)) return undefined;
		return { serverId: this.serverId(value, nowMs) ?? 0, serverKey: this.serverKey(value, nowMs) ?? '' };
	}

	#newest<T>(value: SampleValue, nowMs: number, remote: T | undefined, own: () => T | undefined): T | undefined {
		if (remote === undefined || this.#isOwnNewer(value, nowMs)) return own() || remote || own();
		return remote;
	}

	// ---- Copies ----

	override copyByKey(value: SampleValue, view: EntryView, nowMs: number): boolean {
		const isRemote = super.copyByKey(value, view, nowMs);
		const isOwn = this.#own.copyByKey(value, this.#ownView, nowMs);
		if (isRemote && isOwn) this.#addOwn(view, this.#ownView, nowMs);
		else if (isOwn) copyView(this.#ownView, view);
		return isRemote || isOwn;
	}

	override copyByKeyBytes(key: Uint8Array, keyLength: number, view: EntryView, nowMs: number): boolean {
		const isRemote = super.copyByKeyBytes(key, keyLength, view, nowMs);
		const isOwn = this.#own.copyByKeyBytes(key, keyLength, this.#ownView, nowMs);
		if (isRemote && isOwn) this.#addOwn(view, this.#ownView, nowMs);
		else if (isOwn) copyView(this.#ownView, view);
		return isRemote || isOwn;
	}

	override copyByRef(ref: number, view: EntryView, nowMs: number): boolean {
		if (!super.copyByRef(ref, view, nowMs)) return false;
		if (this.#own.copyByKey(view.key as SampleValue, this.#ownView, nowMs)) this.#addOwn(view, this.#ownView, nowMs);
		return true;
	}

	/** First what this node has, with the others' share; then what only others have. */
	override *walk(nowMs: number | (() => number)): Generator<EntryView | undefined> {
		const clock = typeof nowMs === 'number' ? () => nowMs : nowMs;
		const sum = this.newView();
		for (const own of this.#own.walk(nowMs)) {
			if (own === undefined) {
				yield undefined;
				continue;
			}
			if (super.copyByKey(own.key as SampleValue, sum, own.nowMs)) this.#addOwn(sum, own, own.nowMs);
			else copyView(own, sum);
			yield sum;
		}
		for (const remote of super.walk(nowMs)) {
			if (remote === undefined || !this.#own.has(remote.key as SampleValue, clock())) yield remote;
		}
	}

	override *entries(nowMs: number | (() => number)): Generator<EntryView> {
		for (const entry of this.walk(nowMs)) if (entry !== undefined) yield entry;
	}

	override usedCount(): number {
		return Math.max(super.usedCount(), Math.min(this.model.size, this.#own.usedCount()));
	}

	#addOwn(sum: EntryView, own: EntryView, nowMs: number): void {
		const isNewer = (own.remainingMs ?? 0) >= (sum.remainingMs ?? 0);
		addShare(sum.words, own.words, this.slots, tick(nowMs), isNewer);
		if (isNewer) sum.words[EXPIRE] = own.words[EXPIRE]!;
		if (own.serverKeyText !== '' && (isNewer || sum.serverKeyText === '')) sum.serverKeyText = own.serverKeyText;
	}

	// ---- Nothing counts here ----

	override add(entry: EntryRef, slot: DataSlot, index: number, _amount: number, nowMs: number): number {
		return this.read(entry, slot, index, nowMs);
	}

	override addAll(): void {}

	override set(entry: EntryRef, slot: DataSlot, index: number, _value: number | bigint, nowMs: number): number {
		return this.read(entry, slot, index, nowMs);
	}

	override addGpc(entry: EntryRef, gpc: GpcSlots, _amount: number, nowMs: number): number {
		const slot = gpc.counter ?? gpc.rate;
		return slot === undefined ? 0 : this.read(entry, slot, gpc.index, nowMs);
	}

	override addByKey(value: SampleValue, slot: DataSlot, index: number, _amount: number, nowMs: number) {
		return this.readByKey(value, slot, index, nowMs);
	}

	override setByKey(value: SampleValue, slot: DataSlot, index: number, _value: number | bigint, nowMs: number) {
		return this.readByKey(value, slot, index, nowMs);
	}

	override setAllByKey(): boolean {
		return false;
	}

	override addGpcByKey(value: SampleValue, gpc: GpcSlots | undefined, _amount: number, nowMs: number) {
		const slot = gpc?.counter ?? gpc?.rate;
		return slot === undefined ? 0 : this.readByKey(value, slot, gpc?.index ?? 0, nowMs);
	}

	override touchByKey(): boolean {
		return false;
	}

	override refresh(value: SampleValue, nowMs: number): boolean {
		return this.has(value, nowMs);
	}

	override storeServer(): boolean {
		return false;
	}
}

function pick(
	choose: (a: number, b: number) => number,
	a: number | undefined,
	b: number | undefined,
): number | undefined {
	return a === undefined || b === undefined ? (a ?? b) : choose(a, b);
}

/** An entry that only this node has. It has no tracker in the table of sums, and no identifier there. */
function copyView(from: EntryView, to: EntryView): void {
	to.words.set(from.words);
	to.words[STATE] = UNTRACKED;
	to.serverKeyText = from.serverKeyText;
	to.nowMs = from.nowMs;
	to.ref = 0 as EntryRef;
}
