/**
 * What actions may do to a stream, beside reading it: the one interface between rules and streams.
 * `stream/steps.ts` implements it; rules never see sockets.
 */
import type { RuleLogStep } from '../config/keywords/log-profile.js';
import type { IpAddress } from '../core/address.js';
import type { HeaderList } from '../http/message.js';
import type { StreamView, VariableScope } from '../sample/types.js';
import type { EntryRef, StickTable } from '../stick-table/table.js';
import type { Verdict } from './verdict.js';

/** `proto` of `switch-mode http`. */
export type HttpProtocol = 'h1' | 'h2';

/** A rule that ended its set, as logs and the statistics page name it. */
export interface DecidingRule {
	readonly file: string;
	readonly line: number;
	/** `http-request deny` */
	readonly name: string;
	/** Without a condition it has seen nothing. */
	readonly isConditional: boolean;
}

/** A complete answer made by the proxy itself. */
export interface LocalReply {
	readonly status: number;
	/** Empty: the standard reason of the status. */
	readonly reason: string;
	/**
	 * Complete: `content-length` is among them wherever the status allows it, in the order HAProxy sends
	 * them. An engine adds hop-by-hop fields only, and leaves the body out for HEAD.
	 */
	readonly headers: HeaderList;
	readonly body: Buffer;
	/** The error that this answer stands for, where an `errorfile` or `errorloc` has another status: what is logged. */
	readonly statusOfError?: number;
	/** In place of `body`: pieces that are made while they are sent; `headers` then say no length. */
	readonly source?: ReplySource;
	/** Bytes sent as they are, head included, of an `errorfile` that is empty: none; the connection then closes. */
	readonly raw?: Buffer;
}

/**
 * A body that is made while it is sent. The engine pulls a piece when the client has taken the former ones, one in each
 * turn of the event loop, so that a large answer neither waits in memory nor stops other connections.
 */
export interface ReplySource {
	/** The next piece. Empty: nothing now, `onMore` will tell. Undefined: that was all. */
	pull(): Buffer | undefined;
	/** Set by the engine: there is more, or the end, after an empty piece. */
	onMore: (() => void) | undefined;
	/** The answer is over, or nobody wants it any more. Called once. */
	close(): void;
}

export interface StreamControl extends StreamView {
	/** `do-resolve`: asks for an address of the name; the rule yields until `takeNameAnswer` has it. */
	lookUpName(section: string, name: string, prefer: 4 | 6): void;
	/** The answer, once; `waiting` until it is there, undefined when nothing was asked. */
	takeNameAnswer(): { readonly address: IpAddress | undefined } | 'waiting' | undefined;
	/** The proxy-made answer for the verdicts DENY and DONE. */
	setReply(reply: LocalReply): void;
	/**
	 * The proxy-made answer of a status: the backend's `errorfile`, `http-error` or `errorloc`, else the
	 * frontend's, else the standard page (see error-replies.ts, `resolveErrorReply`).
	 */
	errorReply(status: number): LocalReply;
	/** `strict-mode`: true when a rule set begins (RuleSet sees to it). */
	strictRewrites: boolean;
	/** A rewrite would have broken the message: one more in `wrew` of the statistics. */
	countFailedRewrite(): void;
	/** One more `http_err` for all that is tracked, although the reply is no refusal: `auth`. */
	countClientError(): void;
	/** The request is answered by this service once its rules have run (`use-service`). */
	useService(name: string): void;
	/** Looks the request up in a cache; a hit answers once the rules have run (`cache-use`). */
	useCache(name: string): void;
	/** Stores the response as its head is now, if it may be (`cache-store`). */
	storeInCache(name: string): void;
	/** The limit of that name holds for this stream; undefined: with the filter's own figures. */
	limitBandwidth(name: string, limitBytes: number | undefined, periodMs: number | undefined): void;
	/**
	 * Whether as much of a body is there as a rule waits for: all of it, `atLeastBytes` (0: no less than all), or what
	 * fits in a buffer. If not, the rule yields, and the message is given up after `waitMs`.
	 */
	hasBody(ofResponse: boolean, atLeastBytes: number, waitMs: number): boolean;
	/** A field of a response 103, which goes to the client at once after its last field (`early-hint`). */
	addEarlyHint(name: string, value: string, isLast: boolean): void;
	/** `set-retries`: how often the request may be sent again, whatever the backend says. */
	setRetries(count: number): void;
	/**
	 * `pause`: false: the rule yields, and is asked again when that long has passed; true: it has. `rule` tells one rule
	 * of a set from another.
	 */
	pause(rule: object, milliseconds: number): boolean;
	/** `tcp-response content close`: the server's connection ends once what it has said is passed on. */
	closeServer(): void;
	/** Only connection failures are tried again (`disable-l7-retry`). */
	disableL7Retry(): void;
	/** The request breaks the grammar: it is logged as one that was not received whole. */
	noteMalformed(): void;
	/** `switch-mode http`: once its rules have run, a connection in mode tcp is read as HTTP. Without effect on HTTP. */
	switchToHttp(protocol: HttpProtocol | undefined): void;
	/** Delay before the reply is sent (`tarpit`). */
	setTarpit(): void;
	/** `sc<n>`: at session level in tcp-request connection/session rules, else at stream level. */
	track(index: number, table: StickTable, entry: EntryRef): void;
	setLogLevel(level: number | 'silent'): void;
	/** A log line in the middle of things; `profile`: of that log profile, whatever the targets name. */
	doLog(step: RuleLogStep, profile: string | undefined): void;
	setTimeout(which: 'server' | 'tunnel' | 'client', milliseconds: number): void;
	/** Cut to the slot's length; without effect when the frontend has no such slot (`http-request capture`). */
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
	/** Remembers the rule that ended its set, for `last_rule_*`, `option log-decision` and the statistics page. */
	noteDecision(rule: DecidingRule, verdict: Verdict): void;
}
