/**
 * What samples are and what they are taken from.
 *
 * A sample is a JavaScript value that knows its own type, so that no wrapper is made per request:
 *
 *     bool   boolean
 *     sint   number, or bigint beyond 2^53 (64-bit signed arithmetic; compare with < and ==, never ===)
 *     ipv4, ipv6   IpAddress
 *     str, meth    string, a byte string (see core/bytes.ts)
 *     bin    Buffer
 *
 * `undefined` is "no sample": the fetch found nothing, a conversion was impossible.
 *
 * A keyword is a row in a table: name, arguments, type, what it needs. From `needs` follows, when the file
 * is read, which rule may use which fetch; nothing is left to discover under traffic (manual, chapter 7).
 */

import type { X509Certificate } from 'node:crypto';
import type { ConfigModel, Line, ProxyModel, UserlistModel } from '../config/model.js';
import type { IpAddress } from '../core/address.js';
import type { Clock } from '../core/clock.js';
import type { ConnectionFailure, PeerVerification } from '../core/connection-errors.js';
import type { Diagnostics, Place } from '../core/diagnostics.js';
import type { RequestHead, ResponseHead } from '../http/message.js';
import type { StickTable } from '../stick-table/table.js';
import type { TrackedCounter } from '../stick-table/tracked-counter.js';
import type { SessionSecrets } from './certificate.js';
import type { HelloLists } from './client-hello.js';
import type { SharedChange } from './shared-change.js';
import type { Decision } from './sightings.js';

export type SampleValue = boolean | number | bigint | string | Buffer | IpAddress;

/** `any`: known only when the sample is there (`var()`, `sc_key`); `addr`: ipv4 or ipv6. */
export type SampleType = 'any' | 'bool' | 'sint' | 'addr' | 'ipv4' | 'ipv6' | 'str' | 'bin' | 'meth';

/**
 * Where a fetch takes its value from. A rule site provides some of these; a fetch that needs another
 * is refused there when the file is read.
 */
export type FetchNeed =
	/** Constants, dates, process and proxy state: anywhere. */
	| 'internal'
	/** The client connection: addresses, TLS, session variables and trackers. */
	| 'session'
	/** The TLS handshake is over, or there was none. */
	| 'handshake'
	/** A stream exists: stream variables, trackers, timing. */
	| 'stream'
	/** Bytes of the request not yet parsed (tcp-request content). */
	| 'request-bytes'
	| 'request-head'
	| 'request-body'
	/** The head of the message that the rule looks at: `hdr`, `cookie`. */
	| 'message-head'
	/** Raw bytes of the side that the rule looks at: `payload`. */
	| 'message-bytes'
	/** The backend of this stream is chosen. */
	| 'backend'
	/** The server of this stream is chosen. */
	| 'server'
	/** A response began, or a connection to the server was made: `status`, `capture.res.hdr`, also in logs. */
	| 'response'
	| 'response-bytes'
	| 'response-head'
	| 'response-body'
	/** Timers, byte counts and termination state: log formats only. */
	| 'log';

/** The place of a rule, a log format or an expression, from which follows what it may use. */
export type RuleSite =
	/** `set-var` in the global section: constants, dates, other variables of the process. */
	| 'global'
	| 'tcp-request connection'
	| 'tcp-request session'
	| 'tcp-request content'
	| 'tcp-response content'
	| 'http-request'
	| 'http-response'
	| 'http-after-response'
	| 'use_backend'
	| 'use-server'
	| 'stick request'
	| 'stick response'
	| 'balance'
	| 'monitor fail'
	| 'unique-id-format'
	| 'log-format'
	| 'check'
	| 'server sni';

export type VariableScope = 'proc' | 'sess' | 'txn' | 'req' | 'res' | 'check';

/** The variables of scope `proc`, which are the same for the whole process. */
export interface ProcessScope {
	get(name: string): SampleValue | undefined;
	set(name: string, value: SampleValue): unknown;
	delete(name: string): unknown;
}

/** Variables by scope and name. A Map: names such as `__proto__` are ordinary. */
export interface VariableStore {
	get(scope: VariableScope, name: string): SampleValue | undefined;
	set(scope: VariableScope, name: string, value: SampleValue): void;
	unset(scope: VariableScope, name: string): void;
}

/** The proxy figures that fetches may ask for (`fe_*`, `be_*`, `queue`, `nbsrv`, ...). */
export interface ProxyView {
	readonly name: string;
	readonly id: number;
	readonly mode: 'http' | 'tcp';
	readonly isFrontend: boolean;
	readonly isBackend: boolean;
	readonly defaultBackendName: string | undefined;
	/** The table of this proxy's own `stick-table` line. */
	readonly table: StickTable | undefined;
	/** Frontend connections or backend streams now, over all threads. */
	currentSessions(): number;
	/** New connections per second on the frontend. */
	connectionRate(): number;
	/** New sessions per second. */
	sessionRate(): number;
	/** HTTP requests per second on the frontend. */
	requestRate(): number;
	readonly maxconn: number;
	readonly fullconn: number;
	/** Streams waiting, in the backend's queue and in its servers'. */
	queuedCount(): number;
	readonly servers: readonly ServerView[];
	/** Servers that may take traffic now. */
	usableServerCount(): number;
	/** Sum of their weights. */
	usableWeight(): number;
	readonly serverTimeoutMs: number | undefined;
	readonly clientTimeoutMs: number | undefined;
	readonly tunnelTimeoutMs: number | undefined;
}

export interface ServerView {
	readonly name: string;
	readonly id: number;
	readonly address: string;
	readonly port: number;
	/** Up and neither in drain nor in maintenance. */
	isUsable(): boolean;
	effectiveWeight(): number;
	readonly initialWeight: number;
	/** Used when all others are down. */
	readonly backup?: boolean;
	currentSessions(): number;
	queuedCount(): number;
	sessionRate(): number;
	/** 0: no limit. */
	readonly maxconn: number;
	/** 0: no limit. */
	readonly maxqueue?: number;
	/** An argument of a line names this server: it cannot be removed while the configuration serves. */
	noteReference?(): void;
}

/** A TLS connection whose handshake is over. */
export type { PeerVerification };

export interface TlsView {
	/** `TLSv1.3` */
	readonly version: string;
	/** As OpenSSL calls it. */
	readonly cipher: string;
	/** The name that the client asked for. */
	readonly serverName: string | undefined;
	readonly alpn: string | undefined;
	readonly isResumed: boolean;
	/** What is wrong with the certificate of the other side; absent: nothing. */
	readonly verification?: PeerVerification | undefined;
	/** Of the other side: the client's, or the server's. */
	readonly peerCertificate: X509Certificate | undefined;
	/** Of this side, and what follows: only where a line asks for it (tls-facts.ts). */
	readonly ownCertificate?: X509Certificate | undefined;
	readonly session?: SessionSecrets | undefined;
	/** `tls-unique` (RFC 5929). */
	readonly uniqueId?: Buffer | undefined;
	/** The client's bytes of chance. */
	readonly clientRandom?: Buffer | undefined;
	readonly helloLists?: HelloLists | undefined;
	/** By their labels of the key log, as hexadecimal digits. */
	readonly secrets?: ReadonlyMap<string, string> | undefined;
	/** Of a connection to a server. */
	readonly curve?: string | undefined;
}

/** The client connection. */
export interface SessionView {
	/** Undefined on a unix socket. */
	readonly source: IpAddress | undefined;
	readonly sourcePort: number;
	readonly destination: IpAddress | undefined;
	readonly destinationPort: number;
	/** The `name` of the bind line, undefined when it has none, and its id. */
	readonly listenerName: string | undefined;
	readonly listenerId: number;
	/** Connections that the bind line has, over all threads. */
	readonly listenerConnections: number;
	readonly frontend: ProxyView;
	readonly isTls: boolean;
	/** `TLSv1.3` and the cipher's name; undefined on a clear connection. */
	readonly tlsVersion?: string | undefined;
	readonly tlsCipher?: string | undefined;
	/** Undefined on a clear connection. */
	readonly tls?: TlsView | undefined;
	/** Why the connection could not be set up; only in its log line. */
	readonly failure?: ConnectionFailure | undefined;
	/** Fields of the PROXY protocol header by type; undefined: there was no header. */
	/** Both ends of the connection, whatever rules of its streams have set; absent where they are the session's own. */
	readonly connection?: {
		readonly source: IpAddress | undefined;
		readonly sourcePort: number;
		readonly destination: IpAddress | undefined;
		readonly destinationPort: number;
	};
	/** Set by a rule `expect-proxy`. */
	expectsProxy?: boolean;
	expectsCip?: boolean;
	readonly proxyFields?: ReadonlyMap<number, Buffer> | undefined;
	/** Index is n of `sc<n>`; session-level trackers. */
	readonly trackers: (TrackedCounter | undefined)[];
	/** Requests on this connection so far, the current one included. */
	readonly requestCount: number;
}

/** The figures of `log-format` and of the `*.timer.*` fetches; times in ms, -1 where HAProxy prints -1. */
export interface StreamTimings {
	/** Wall clock when the first byte of the request came (`%tr`), or the connection for `%t`. */
	readonly acceptWallMs: number;
	readonly requestWallMs: number;
	readonly handshakeMs: number;
	readonly idleMs: number;
	readonly requestMs: number;
	readonly queueMs: number;
	readonly connectMs: number;
	readonly responseMs: number;
	readonly dataMs: number;
	readonly totalMs: number;
	readonly activeMs: number;
	readonly userMs: number;
}

/** What a log line needs beyond the messages themselves. */
export interface StreamLogView {
	/** What answered in place of a server: `<STATS>`. */
	readonly serviceName?: string | undefined;
	readonly timings: StreamTimings;
	readonly bytesRead: number;
	readonly bytesUploaded: number;
	readonly statusCode: number;
	/** The four characters of `%tsc`; the first two are `%ts`. */
	readonly terminationState: string;
	readonly activeConnections: number;
	readonly frontendConnections: number;
	readonly backendConnections: number;
	readonly serverConnections: number;
	readonly retries: number;
	readonly redispatched: boolean;
	readonly serverQueue: number;
	readonly backendQueue: number;
	/** The number of the stream, counted from 0 by its thread, `%rt`. */
	readonly requestCounter: number;
	readonly cookieCapture: string | undefined;
	readonly serverCookieCapture: string | undefined;
	/** The local address of the connection to the server, `%bi` and `%bp`; undefined without one. */
	readonly serverSideSource?: IpAddress;
	readonly serverSideSourcePort?: number;
	/**
	 * Method, target and version as the client sent them, which rules may have changed since, cut to
	 * `tune.http.logurilen`; undefined when no request line was read, empty where the stream was refused before its
	 * request counted as one.
	 */
	readonly requestLine?: string;
	/** Why the line is written, `%OG`: `txn_close`, `sess_error`, or the kind of rule of `do-log`. */
	readonly origin?: string;
	/** Lines logged by the frontend so far, `%lc`. */
	readonly logCounter?: number;
}

/** A connection that may carry several streams: HTTP/2. */
export interface MultiplexView {
	readonly openStreams: number;
	/** How many may be open at once. */
	readonly streamsLimit: number;
	/** What the other end has done that no good one does. */
	readonly glitches: number;
}

/** One request and its response, or one TCP session: what fetches and log formats read. */
export interface StreamView {
	/** Monotonic milliseconds, asked once per event. */
	readonly nowMs: number;
	readonly session: SessionView;
	readonly frontend: ProxyView;
	/** The backend once it is chosen, the frontend before (as HAProxy's `be_name` does in a listen). */
	readonly backend: ProxyView | undefined;
	readonly server: ServerView | undefined;
	/** TLS of the connection to the server. */
	readonly serverTls?: TlsView | undefined;
	/** Why the last connection to a server could not be used; undefined when it could, or none was reached. */
	readonly serverFailure?: ConnectionFailure | undefined;
	/** The connections of both sides, where they are HTTP/2. */
	readonly clientMultiplex?: MultiplexView | undefined;
	readonly serverMultiplex?: MultiplexView | undefined;
	/** The connection to the server had served before. */
	readonly serverReused?: boolean;
	/** Timeouts in force, in ms; 0: none. */
	readonly clientTimeoutMs?: number;
	readonly serverTimeoutMs?: number;
	readonly tunnelTimeoutMs?: number;
	readonly priorityClass?: number;
	readonly priorityOffsetMs?: number;
	readonly request: RequestHead | undefined;
	readonly response: ResponseHead | undefined;
	/** Bytes received and not yet forwarded: raw in TCP rules, the body once the head is parsed. */
	readonly requestBuffer: Buffer | undefined;
	/** True when no more request bytes will come, or no more fit. */
	readonly requestBufferComplete: boolean;
	readonly responseBuffer: Buffer | undefined;
	readonly responseBufferComplete: boolean;
	readonly variables: VariableStore;
	/** The tracked counter n: the stream's own if it has one, else the session's. */
	tracker(index: number): TrackedCounter | undefined;
	/** Writes into a capture slot, cut to its length; without effect where there is no such slot. Absent in checks. */
	setRequestCapture?(slot: number, value: string): void;
	setResponseCapture?(slot: number, value: string): void;
	/** Captured values in the order of the slots; undefined where nothing was captured. */
	readonly requestCaptures: readonly (string | undefined)[];
	readonly responseCaptures: readonly (string | undefined)[];
	/** The unique id, made at the first use. */
	uniqueId(): string | undefined;
	/** The rule that ended the evaluation of its set, for `last_rule_file` and `last_rule_line`. */
	readonly lastRule?: { readonly file: string; readonly line: number };
	/** The rule that ended the request, and what it saw; undefined without `option log-decision`. */
	readonly decision?: Decision | undefined;
	/** The algorithm that compresses the response, as its content-encoding says it. */
	readonly compressedWith?: string | undefined;
	/** The cache that the response is from. */
	readonly cacheName?: string | undefined;
	readonly log: StreamLogView;
}

/** A variable of an argument: `txn.name` is scope `txn`, name `name`. */
export interface VariableName {
	readonly scope: VariableScope;
	readonly name: string;
}

/** An argument after its check; tables, proxies and servers are already resolved. */
export type ArgumentValue =
	| string
	| bigint
	| number
	| StickTable
	| ProxyView
	| ServerView
	| UserlistModel
	| VariableName
	| IpAddress
	| undefined;

export type ArgumentKind =
	| 'string'
	| 'sint'
	| 'time'
	| 'size'
	| 'ip4'
	| 'ip6'
	| 'mask4'
	| 'mask6'
	| 'table'
	| 'frontend'
	| 'backend'
	| 'server'
	| 'userlist'
	| 'regex'
	| 'variable'
	/** An integer, or the name of a variable that will hold one. */
	| 'sint-or-variable'
	/** A variable when it reads like the name of one, else a constant. */
	| 'string-or-variable'
	| 'map-file';

export interface ArgumentSpec {
	readonly kind: ArgumentKind;
	/** Absent arguments are undefined; a proxy or table that is absent is the current proxy's. */
	readonly optional?: boolean;
	/** May be repeated to the end of the list. */
	readonly repeated?: boolean;
}

export type Evaluate = (stream: StreamView) => SampleValue | undefined;
/** Calls `visit` with each value until it returns true; returns whether it did. ACLs look at every value. */
export type EvaluateEach = (stream: StreamView, visit: (value: SampleValue) => boolean) => boolean;

export interface FetchDescriptor {
	readonly name: string;
	readonly args: readonly ArgumentSpec[];
	readonly type: SampleType;
	/** What the fetch reads; a rule site that provides one of them may use it. */
	readonly needs: readonly FetchNeed[];
	/** Beyond the kinds of its arguments: a sentence to the reader of the file, or undefined if all is well. */
	readonly check?: (args: readonly ArgumentValue[], context: CompileContext) => string | undefined;
	readonly compile: (args: readonly ArgumentValue[], context: CompileContext) => Evaluate;
	/**
	 * For fetches from bytes that are still coming: whether the value, or that there is none, will not change any more.
	 * Without it, rules wait for as long as more may come.
	 */
	readonly compileSettled?: (
		args: readonly ArgumentValue[],
		context: CompileContext,
	) => (stream: StreamView) => boolean;
	/** For fetches with several values (`hdr`, `cookie`): all of them, for ACLs. */
	readonly compileEach?: (args: readonly ArgumentValue[], context: CompileContext) => EvaluateEach;
}

export interface ConverterDescriptor {
	readonly name: string;
	readonly args: readonly ArgumentSpec[];
	readonly input: SampleType;
	readonly output: SampleType;
	readonly check?: (args: readonly ArgumentValue[], context: CompileContext) => string | undefined;
	readonly compile: (
		args: readonly ArgumentValue[],
		context: CompileContext,
	) => (value: SampleValue, stream: StreamView) => SampleValue | undefined;
}

/** A compiled sample expression: a fetch and its converters. */
export interface Expression {
	readonly text: string;
	readonly type: SampleType;
	readonly needs: readonly FetchNeed[];
	readonly hasConverters: boolean;
	/** More input will not change the value; undefined: it may, as long as some comes. */
	readonly settled?: ((stream: StreamView) => boolean) | undefined;
	readonly evaluate: Evaluate;
	readonly each: EvaluateEach;
}

/** The process and thread that a configuration is compiled for. */
export interface ProcessView {
	readonly clock: Clock;
	readonly hostname: string;
	readonly threadIndex: number;
	readonly threadCount: number;
	/** Client connections of the whole process now. */
	activeConnections(): number;
	/** A soft stop has begun. */
	isStopping(): boolean;
	/** Tells the other threads what a rule has changed; absent where no traffic comes (checks of the file, tests). */
	readonly share?: (change: SharedChange) => void;
}

/** What compiling a line may ask for: the names it can refer to, and where remarks go. */
export interface CompileContext {
	readonly diagnostics: Diagnostics;
	readonly model: ConfigModel;
	/** The proxy whose line is compiled; undefined in sections without traffic. */
	readonly proxy: ProxyModel | undefined;
	readonly site: RuleSite;
	readonly place: Place;
	/** A table by its name, or the proxy's own with an empty name. */
	table(name: string): StickTable | undefined;
	tableNames(): Iterable<string>;
	frontend(name: string): ProxyView | undefined;
	backend(name: string): ProxyView | undefined;
	userlist(name: string): UserlistModel | undefined;
	/** The content of a file that the model carries. */
	file(path: string): string | undefined;
	/** Named ACLs of the proxy, in order; a name repeated is another alternative. */
	acls(name: string): readonly Line[];
	/** Names of resolvers and http-errors sections need not lead anywhere: the rules are only read. */
	readonly namesMayDangle?: boolean;
	readonly process: ProcessView;
	/** Number of `sc<n>` counters. */
	readonly stickCounters: number;
	/** Same context for another place or site. */
	at(place: Place, site?: RuleSite): CompileContext;
}
