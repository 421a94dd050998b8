/**
 * The end of a process that another one follows (section 13): it calls the new one under our own name, teaches it
 * everything, and leaves when that has been confirmed, or when there is nobody to teach, or time is up.
 */
import type { Clock, Timer } from '../core/clock.js';
import { STATUS, TIMING } from './protocol.js';
import type { SessionEnd } from './session-host.js';

/** A stopping process gives up handing over after this long without a session, or after so many that broke. */
const HANDOFF_MS = 5000;
const MAX_HANDOFF_SESSIONS = 3;
/**
 * A new process binds the address before it asks the old one to leave. If nobody listens there, then nobody comes
 * after us, and an ordinary stop must not last five seconds for it.
 */
const MAX_HANDOFF_FAILURES = 3;

export interface HandoffOptions {
	readonly clock: Clock;
	/** Calls the new process. */
	readonly call: () => void;
	/** What is told of why it was not taught. */
	readonly trouble: (text: string) => void;
	/** Nothing is left to be done. */
	readonly done: () => void;
}

export class Handoff {
	readonly #options: HandoffOptions;
	#giveUpMs: number;
	#sessions = 0;
	#failures = 0;
	#timer: Timer | undefined;

	constructor(options: HandoffOptions) {
		this.#options = options;
		this.#giveUpMs = options.clock.monotonicMs() + HANDOFF_MS;
	}

	cancel(): void {
		this.#timer?.cancel();
	}

	sessionBegun(): void {
		this.#sessions++;
	}

	sessionEnded(end: SessionEnd): void {
		// A long lesson that breaks is worth another one, however long it was.
		this.#giveUpMs = this.#options.clock.monotonicMs() + HANDOFF_MS;
		if (end === 'taught' || this.#sessions >= MAX_HANDOFF_SESSIONS) this.#options.done();
		else this.#later();
	}

	callFailed(reason: string, status: number | undefined): void {
		// 300: the new process has another visitor. No connection: it may be about to listen. Else it is hopeless.
		const isNobody = status === undefined && ++this.#failures >= MAX_HANDOFF_FAILURES;
		const mayRetry = status === undefined || status === STATUS.TRY_AGAIN;
		if (mayRetry && !isNobody) this.#later();
		else {
			if (!isNobody) this.#options.trouble(reason);
			this.#options.done();
		}
	}

	#later(): void {
		const { clock, call, trouble, done } = this.#options;
		if (clock.monotonicMs() + TIMING.localReconnectMs > this.#giveUpMs) {
			trouble('the new process could not be taught, what it has not learned is lost');
			done();
			return;
		}
		this.#timer = clock.setTimer(call, TIMING.localReconnectMs);
	}
}
