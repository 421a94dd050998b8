/**
 * The last message of each proxy that was refused for its form, as it came: what `show errors` prints (management guide,
 * 9.3). A frontend keeps its last invalid request, a backend its last invalid response, in the data thread that met
 * it; nothing is copied but when a message is refused, and no more than a buffer of it.
 *
 * HAProxy numbers the events of all threads in one row. Here each thread numbers its own, in steps of the number of
 * threads: with one thread the numbers are HAProxy's, with more they tell events apart all the same.
 */
import type { HttpRefusal } from '../http/refusal.js';

export interface CapturedMessage {
	readonly direction: 'request' | 'response';
	readonly wallMs: number;
	readonly event: number;
	/** The frontend of a request, the backend of a response. */
	readonly proxy: string;
	readonly proxyId: number;
	/** The other one; undefined: none was chosen. */
	readonly other: string | undefined;
	readonly otherId: number;
	readonly server: string | undefined;
	readonly serverId: number;
	/** `10.0.0.1:4711`, `unix`. */
	readonly source: string;
	/** A byte string. */
	readonly bytes: string;
	/** Of the byte that is wrong, in `bytes`. */
	readonly position: number;
	readonly reason: string;
}

/** Who exchanged the message. */
export type MessageParties = Omit<CapturedMessage, 'wallMs' | 'event' | 'bytes' | 'position' | 'reason'>;

export class MessageCaptures {
	readonly #last = new Map<string, CapturedMessage>();
	readonly #limitBytes: number;
	readonly #wallMs: () => number;
	#count = 0;

	constructor(limitBytes: number, wallMs: () => number) {
		this.#limitBytes = limitBytes;
		this.#wallMs = wallMs;
	}

	/** Messages captured so far, those included that later ones have taken the place of. */
	get count(): number {
		return this.#count;
	}

	/** `bytes` begins where the position of the refusal counts from. */
	add(parties: MessageParties, bytes: Buffer, { position, reason }: Pick<HttpRefusal, 'position' | 'reason'>): void {
		this.#last.set(`${parties.direction} ${parties.proxy}`, {
			...parties,
			wallMs: this.#wallMs(),
			event: this.#count++,
			bytes: bytes.toString('latin1', 0, Math.min(bytes.length, this.#limitBytes)),
			position,
			reason,
		});
	}

	list(): CapturedMessage[] {
		return [...this.#last.values()];
	}
}
