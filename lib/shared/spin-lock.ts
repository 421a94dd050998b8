/**
 * A lock in shared memory for sections of a few hundred nanoseconds: the step of a stick table, the turn
 * of a round robin. It is one Int32 word:
 *
 *     0                      free
 *     thread id + 1          held by that thread
 *     ... | WAITING          held, and at least one thread sleeps on the word
 *
 * The common case is one compare-and-exchange to take it and one exchange to give it back. A thread that
 * finds it held spins a little, since the holder is most likely running, and then sleeps on the word in
 * slices of one millisecond, since on a machine with fewer cores than threads the holder may be waiting
 * for ours. Node lets its main thread sleep too, so the control thread uses the same lock.
 *
 * What it gives up: it is neither fair nor reentrant, and nothing that can throw, call out or wait may run
 * while it is held. A thread that is killed inside the section leaves the word taken for ever. Nobody can
 * know that from the memory alone, so a waiter counts slices of sleep during which the word never changed
 * hands and then throws `LockAbandonedError` with the id of the dead holder: an error instead of a hang.
 * Whoever owns the threads repairs what the lock guards and frees it (`StickTable.recover`). Slices are
 * counted, not time, so that a paused virtual machine is not taken for a dead thread.
 */
import { threadId } from 'node:worker_threads';
import { HoldfastError } from '../core/errors.js';

/** Set beside the holder when some thread sleeps on the word; thread ids stay below it. */
const WAITING = 0x40000000;
const HOLDER_MASK = WAITING - 1;
const FREE = 0;
/** Thread ids are small and count from 0, the main thread. */
const SELF = (threadId + 1) & HOLDER_MASK;

const SPIN_ROUNDS = 100;
const SLICE_MS = 1;
/** About five seconds of one and the same holder never letting go. */
const ABANDONED_AFTER_SLICES = 5000;

export class LockAbandonedError extends HoldfastError {
	readonly holderThreadId: number;

	constructor(holderThreadId: number) {
		super('LOCK_ABANDONED', `a lock in shared memory is held by thread ${holderThreadId}, which seems to be dead`);
		this.holderThreadId = holderThreadId;
	}
}

/** Takes the lock at `words[at]`. Throws `LockAbandonedError`. */
export function acquireLock(words: Int32Array, at: number, abandonedAfterSlices = ABANDONED_AFTER_SLICES): void {
	if (Atomics.compareExchange(words, at, FREE, SELF) !== FREE) acquireContended(words, at, abandonedAfterSlices);
}

/** Takes the lock if it is free; for places where waiting could deadlock. */
export function tryAcquireLock(words: Int32Array, at: number): boolean {
	return Atomics.compareExchange(words, at, FREE, SELF) === FREE;
}

export function releaseLock(words: Int32Array, at: number): void {
	if ((Atomics.exchange(words, at, FREE) & WAITING) !== 0) Atomics.notify(words, at, 1);
}

/** The thread that holds the lock now, or undefined. */
export function lockHolder(words: Int32Array, at: number): number | undefined {
	const holder = Atomics.load(words, at) & HOLDER_MASK;
	return holder === 0 ? undefined : holder - 1;
}

function acquireContended(words: Int32Array, at: number, abandonedAfterSlices: number): void {
	for (let round = 0; round < SPIN_ROUNDS; round++) {
		if (Atomics.load(words, at) === FREE && Atomics.compareExchange(words, at, FREE, SELF) === FREE) return;
	}
	let sleptSlices = 0;
	let lastHolder = 0;
	for (;;) {
		const seen = Atomics.load(words, at);
		if (seen === FREE) {
			// Others may be asleep on the word still: taking it with WAITING makes our release wake one.
			if (Atomics.compareExchange(words, at, FREE, SELF | WAITING) === FREE) return;
			continue;
		}
		const awaited = seen | WAITING;
		if (seen !== awaited && Atomics.compareExchange(words, at, seen, awaited) !== seen) continue;
		const outcome = Atomics.wait(words, at, awaited, SLICE_MS);
		const holder = seen & HOLDER_MASK;
		if (outcome !== 'timed-out' || holder !== lastHolder) {
			sleptSlices = 0;
			lastHolder = holder;
		} else if (++sleptSlices >= abandonedAfterSlices) throw new LockAbandonedError(holder - 1);
	}
}
