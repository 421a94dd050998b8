/**
 * What actions may do to a stream, beside reading it: the one interface between rules and streams.
 * `stream/steps.ts` implements it; rules never see sockets.
 */
import type { HeaderList } from '../http/message.js';
import type { StreamView, VariableScope } from '../sample/types.js';
import type { EntryRef, StickTable } from '../stick-table/table.js';

/** A complete answer made by the proxy itself. */
export interface LocalReply {
	readonly status: number;
	/** Empty: the standard reason of the status. */
	readonly reason: string;
	readonly headers: HeaderList;
	readonly body: Buffer;
	/** Bytes sent as they are, head included (`errorfile`); the connection then closes. */
	readonly raw?: Buffer;
}

export interface StreamControl extends StreamView {
	/** The proxy-made answer for the verdicts DENY and DONE. */
	setReply(reply: LocalReply): void;
	/** Delay before the reply is sent (`tarpit`). */
	setTarpit(): void;
	/** `sc<n>`: at session level in tcp-request connection/session rules, else at stream level. */
	track(index: number, table: StickTable, entry: EntryRef): void;
	setLogLevel(level: number | 'silent'): void;
	setTimeout(which: 'server' | 'tunnel' | 'client', milliseconds: number): void;
	setRequestCapture(slot: number, value: string): void;
	setResponseCapture(slot: number, value: string): void;
	/** Closes the client connection without telling the client, where the system allows it. */
	silentDrop(): void;
	/** Sets the source or destination that later rules and logs see. */
	setSource(address: import('../core/address.js').IpAddress, port: number | undefined): void;
	setDestination(address: import('../core/address.js').IpAddress, port: number | undefined): void;
	setPriorityClass(value: number): void;
	setPriorityOffsetMs(value: number): void;
	setNice(value: number): void;
	unsetVariable(scope: VariableScope, name: string): void;
	/** Remembers the rule that decided, for `option log-decision` and the statistics page. */
	noteDecision(file: string, line: number): void;
}
