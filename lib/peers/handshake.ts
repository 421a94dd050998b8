/**
 * The three lines of the caller and the one line of the called (section 3), read from whatever chunks they
 * come in. What follows them belongs to the session, and is handed on.
 */
import { LineReader } from './decode.js';
import {
	MAX_HELLO_LINE_BYTES,
	PeersProtocolError,
	PROTOCOL_MAJOR,
	PROTOCOL_MINOR,
	PROTOCOL_NAME,
	STATUS,
	type StatusCode,
} from './protocol.js';

export interface Hello {
	/** The caller's name, a peer of the section. */
	readonly callerName: string;
	/** 0 or 1: a caller of version 2.0 is taught with untimed updates (section 3.5). */
	readonly minor: number;
}

export type HelloResult =
	| { readonly kind: 'more' }
	| { readonly kind: 'valid'; readonly hello: Hello; readonly next: number }
	/** To be answered with the status, then closed; `reason` is for our log. */
	| { readonly kind: 'refused'; readonly status: StatusCode; readonly reason: string };

const MORE: HelloResult = { kind: 'more' };

/** The acceptor's side. Each check is made as soon as its line is there, in the order of section 3.3. */
export class HelloReader {
	readonly #lines = new LineReader(MAX_HELLO_LINE_BYTES);
	readonly #localName: string;
	readonly #isPeer: (name: string) => boolean;
	#lineNumber = 1;
	#minor = PROTOCOL_MINOR as number;

	constructor(localName: string, isPeer: (name: string) => boolean) {
		this.#localName = localName;
		this.#isPeer = isPeer;
	}

	/** Throws a `PeersProtocolError` for an endless line, which gets no answer at all. */
	feed(chunk: Buffer): HelloResult {
		let at = 0;
		for (;;) {
			at = this.#lines.feed(chunk, at);
			if (at < 0) return MORE;
			const { line } = this.#lines;
			switch (this.#lineNumber++) {
				case 1: {
					const refusal = this.#checkVersion(line);
					if (refusal !== undefined) return refusal;
					break;
				}
				case 2:
					if (line !== this.#localName) {
						return refused(STATUS.LOCAL_NAME, `the caller takes us for '${line}', we are '${this.#localName}'`);
					}
					break;
				default: {
					const space = line.indexOf(' ');
					if (space < 0) return refused(STATUS.PROTOCOL, 'the caller gives no process id after its name');
					const callerName = line.slice(0, space);
					if (!this.#isPeer(callerName)) {
						return refused(STATUS.REMOTE_NAME, `no peer of this section is called '${callerName}'`);
					}
					return { kind: 'valid', hello: { callerName, minor: this.#minor }, next: at };
				}
			}
		}
	}

	#checkVersion(line: string): HelloResult | undefined {
		if (!line.startsWith(`${PROTOCOL_NAME} `)) return refused(STATUS.PROTOCOL, 'the first line is not a peers hello');
		// Numbers, not texts: 2.01 is 2.1. Nothing may follow them.
		const match = /^(\d{1,9})\.(\d{1,9})$/.exec(line.slice(PROTOCOL_NAME.length + 1));
		const minor = Number(match?.[2]);
		if (match === null || Number(match[1]) !== PROTOCOL_MAJOR || minor > PROTOCOL_MINOR) {
			return refused(STATUS.VERSION, `the caller speaks '${line}', we speak ${PROTOCOL_MAJOR}.${PROTOCOL_MINOR}`);
		}
		this.#minor = minor;
		return undefined;
	}
}

function refused(status: StatusCode, reason: string): HelloResult {
	return { kind: 'refused', status, reason };
}

export type StatusResult =
	| { readonly kind: 'more' }
	| { readonly kind: 'status'; readonly code: number; readonly next: number };

/** The caller's side: one line, of which the leading number counts (section 3.4). */
export class StatusReader {
	readonly #lines = new LineReader(MAX_HELLO_LINE_BYTES);

	feed(chunk: Buffer): StatusResult {
		const next = this.#lines.feed(chunk, 0);
		if (next < 0) return { kind: 'more' };
		const digits = /^\d{1,9}/.exec(this.#lines.line);
		if (digits === null) throw new PeersProtocolError('protocol', 'the answer to our hello is not a status line');
		return { kind: 'status', code: Number(digits[0]), next };
	}
}
