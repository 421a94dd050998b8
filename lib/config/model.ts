/**
 * The configuration as data: what the parser makes of the text, what `compile.ts` makes the runtime from.
 *
 * Everything here is plain, readonly and structured-cloneable: the control thread parses and checks once
 * and hands the same model to each data thread. Rules, ACLs, log formats and expressions stay words with
 * their place; whoever owns their meaning (`acl`, `rules`, `sample`) compiles them and can still point at
 * the line. Values are final: `defaults` are merged in, units are milliseconds and bytes, and what is
 * absent is `undefined` unless a default of the manual is written here.
 */
import type { SocketAddress } from '../core/address.js';
import type { Place } from '../core/diagnostics.js';
import type { BindModel } from './bind-model.js';
import type { CacheModel, CompressionModel, FilterModel } from './filter-model.js';
import type { GlobalModel } from './global-model.js';
import type { HealthCheckModel } from './health-model.js';
import type { LogForwardModel, LogProfileModel, LogTargetModel, RingModel } from './log-model.js';
import type { ResolversModel } from './resolvers-model.js';
import type { BalanceModel, CookieModel, HashAffinity, HashTypeModel, ServerModel } from './server-model.js';
import type { AggregationModel, PeersModel, StickTableModel } from './table-model.js';

// Whoever works with the model takes all of it from here; each part has its file.
export type * from './bind-model.js';
export type * from './filter-model.js';
export type * from './global-model.js';
export type * from './log-model.js';
export type * from './server-model.js';
export type * from './table-model.js';

/** A line of a rule language: the words that follow the keyword, unquoted and expanded. */
export interface Line {
	readonly place: Place;
	readonly words: readonly string[];
}

export interface ConfigModel {
	readonly global: GlobalModel;
	/** Frontends, backends and listens, in the order of the files. */
	readonly proxies: readonly ProxyModel[];
	readonly peers: readonly PeersModel[];
	readonly aggregations: readonly AggregationModel[];
	readonly rings: readonly RingModel[];
	readonly logProfiles: readonly LogProfileModel[];
	readonly logForwards: readonly LogForwardModel[];
	/** The section `default` stands for /etc/resolv.conf, where no section has that name. */
	readonly resolvers: readonly ResolversModel[];
	/** Lines of `dynamic-update` sections. */
	readonly updates: readonly UpdateModel[];
	readonly userlists: readonly UserlistModel[];
	readonly httpErrors: readonly HttpErrorsModel[];
	/** Named defaults sections with rules or ACLs that no proxy takes: they are only checked. */
	readonly unusedDefaults: readonly ProxyModel[];
	readonly caches: readonly CacheModel[];
	/**
	 * Files that rules, ACLs and maps name, read once by the control thread so that a data thread never
	 * waits for a disk and a reload that fails half-way changes nothing. Byte strings by path.
	 */
	readonly files: ReadonlyMap<string, string>;
}

export interface TimeoutsModel {
	readonly clientMs: number | undefined;
	readonly serverMs: number | undefined;
	readonly connectMs: number | undefined;
	readonly queueMs: number | undefined;
	readonly tarpitMs: number | undefined;
	readonly httpRequestMs: number | undefined;
	readonly httpKeepAliveMs: number | undefined;
	readonly checkMs: number | undefined;
	readonly tunnelMs: number | undefined;
	readonly clientFinMs: number | undefined;
	/** PROXY protocol header and TLS handshake; undefined: `timeout client`. */
	readonly clientHandshakeMs: number | undefined;
	readonly serverFinMs: number | undefined;
}

export type ProxyKind = 'frontend' | 'backend' | 'listen';

/** Everything a proxy section may hold. A `listen` is a frontend and a backend of one name. */
export interface ProxyModel {
	readonly place: Place;
	readonly kind: ProxyKind;
	readonly name: string;
	/** Positive number, given by `id` or counted from 2, unique among proxies. */
	readonly id: number;
	/** The section has an `id`. */
	readonly idGiven?: boolean;
	readonly uuid: string | undefined;
	readonly description: string | undefined;
	readonly disabled: boolean;
	readonly mode: 'http' | 'tcp';
	/** The frontend's own limit, else `maxconn` of global; 0: none. */
	readonly maxconn: number;
	readonly timeouts: TimeoutsModel;
	readonly options: ProxyOptions;

	// Frontend side
	readonly binds: readonly BindModel[];
	readonly backlog: number | undefined;
	readonly defaultBackend: { readonly place: Place; readonly name: string } | undefined;
	/** `use_backend <name or log-format> [if|unless <condition>]`. */
	readonly useBackends: readonly Line[];
	readonly monitorUri: string | undefined;
	/** Conditions of `monitor fail`. */
	readonly monitorFails: readonly Line[];
	readonly requestCaptures: readonly CaptureModel[];
	readonly responseCaptures: readonly CaptureModel[];
	/** `capture cookie`. */
	readonly cookieCapture: { readonly name: string; readonly prefix: boolean; readonly length: number } | undefined;
	readonly uniqueIdFormat: Line | undefined;
	readonly uniqueIdHeader: string | undefined;
	readonly rateLimitSessions: number | undefined;
	/** `clitcpka-idle`, `srvtcpka-idle`; undefined: the system's. */
	readonly clitcpkaIdleMs: number | undefined;
	readonly srvtcpkaIdleMs: number | undefined;

	// Backend side
	readonly servers: readonly ServerModel[];
	readonly balance: BalanceModel;
	/** `dispatch`: where requests go that no cookie or rule binds to a server; undefined with a `balance` line. */
	readonly dispatch?: ServerModel | undefined;
	readonly hashType: HashTypeModel;
	readonly hashBalanceFactor: number;
	readonly hashAffinity: HashAffinity;
	readonly fullconn: number | undefined;
	readonly retries: number;
	readonly retryOn: readonly string[];
	readonly httpReuse: 'never' | 'safe' | 'aggressive' | 'always';
	readonly cookie: CookieModel | undefined;
	readonly useServers: readonly Line[];
	readonly stickRules: readonly (Line & { readonly kind: 'match' | 'on' | 'store-request' | 'store-response' })[];
	/** `force-persist` and `ignore-persist`. */
	readonly persistRules: readonly (Line & { readonly kind: 'force' | 'ignore' })[];
	readonly source: SocketAddress | undefined;
	readonly dynamicCookieKey: string | undefined;
	readonly maxKeepAliveQueue: number;
	/** `persist rdp-cookie`: the name of the cookie. */
	readonly persistRdpCookie: string | undefined;
	/** `load-server-state-from-file`, and the name of its own file, which is that of the backend if not said. */
	readonly loadStateFrom: 'global' | 'local' | 'none';
	readonly stateFileName: string | undefined;
	/** `http-send-name-header`, in lower case. */
	readonly sendNameHeader: string | undefined;
	readonly healthCheck: HealthCheckModel;

	// Both
	readonly acls: readonly Line[];
	readonly tcpRequestConnection: readonly Line[];
	readonly tcpRequestSession: readonly Line[];
	readonly tcpRequestContent: readonly Line[];
	readonly tcpRequestInspectDelayMs: number | undefined;
	readonly tcpResponseContent: readonly Line[];
	readonly tcpResponseInspectDelayMs: number | undefined;
	readonly httpRequest: readonly Line[];
	readonly httpResponse: readonly Line[];
	readonly httpAfterResponse: readonly Line[];
	/** `errorfile`, `errorfiles`, `http-error` and `errorloc*`, by status code; the last line wins. */
	readonly errorReplies: ReadonlyMap<number, ErrorReplyModel>;
	readonly stickTable: StickTableModel | undefined;
	readonly logTargets: readonly LogTargetModel[];
	readonly logFormat: Line | 'httplog' | 'httplog clf' | 'tcplog' | 'httpslog' | undefined;
	readonly errorLogFormat: Line | undefined;
	/** Structured data of RFC 5424 lines. */
	readonly logFormatSd: Line | undefined;
	/** At which steps of a stream a line is written; undefined: at its end. */
	readonly logSteps: readonly ('accept' | 'request' | 'connect' | 'response' | 'close')[] | undefined;
	readonly logTag: string | undefined;
	readonly stats: StatsModel | undefined;
	/** `compression`; undefined: not a line of it. */
	readonly compression: CompressionModel | undefined;
	/** `filter` lines, in their order. */
	readonly filters: readonly FilterModel[];
	/** What the named defaults section that this proxy follows says in ACLs and rules. */
	readonly inheritedRules?: InheritedRulesModel | undefined;
	/** Extra words of `email-alert` and others that a later part may add are refused, not kept. */
}

/**
 * Rules of a named `defaults` section (manual, 4.1, the mark (!)): each set runs before the proxy's own of
 * the same name, and its conditions see these ACLs and not the proxy's.
 */
export interface InheritedRulesModel {
	readonly place: Place;
	readonly acls: readonly Line[];
	readonly tcpRequestConnection: readonly Line[];
	readonly tcpRequestSession: readonly Line[];
	readonly tcpRequestContent: readonly Line[];
	readonly tcpResponseContent: readonly Line[];
	readonly httpRequest: readonly Line[];
	readonly httpResponse: readonly Line[];
	readonly httpAfterResponse: readonly Line[];
}

export interface ProxyOptions {
	readonly forwardfor:
		| { readonly exceptNetwork: string | undefined; readonly headerName: string; readonly ifNone: boolean }
		| undefined;
	readonly originalto: { readonly exceptNetwork: string | undefined; readonly headerName: string } | undefined;
	/** The words after `option forwarded`. */
	readonly forwarded: Line | undefined;
	/** The last of `http-keep-alive`, `httpclose`, `http-server-close`. */
	readonly connectionMode: 'keep-alive' | 'close' | 'server-close';
	/** `option redispatch <n>`: every n-th retry; below 0 counted from the last one (-1: the last alone); 0: never. */
	readonly redispatch: number | undefined;
	readonly dontlognull: boolean;
	readonly dontlogNormal: boolean;
	readonly logasap: boolean;
	readonly logSeparateErrors: boolean;
	readonly logHealthChecks: boolean;
	readonly httpIgnoreProbes: boolean;
	/** A clear connection that begins with HTTP/2's preface is not served as HTTP/2. */
	readonly disableH2Upgrade: boolean;
	readonly httpBufferRequest: boolean;
	/** Names of fields in the case of `h1-case-adjust`, to clients or to servers of HTTP/1. */
	readonly h1CaseAdjustBogusClient: boolean;
	readonly h1CaseAdjustBogusServer: boolean;
	readonly httpNoDelay: boolean;
	readonly httpPretendKeepalive: boolean;
	readonly httpUseProxyHeader: boolean;
	readonly httpUseHtx: boolean;
	readonly acceptInvalidHttpRequest: boolean;
	readonly acceptInvalidHttpResponse: boolean;
	readonly abortonclose: boolean;
	readonly allbackups: boolean;
	readonly checkcache: boolean;
	readonly clitcpka: boolean;
	readonly srvtcpka: boolean;
	readonly contstats: boolean;
	readonly independentStreams: boolean;
	readonly nolinger: boolean;
	readonly persist: boolean;
	readonly preferLastServer: boolean;
	readonly socketStats: boolean;
	readonly spliceAny: boolean;
	readonly tcpSmartAccept: boolean;
	readonly tcpSmartConnect: boolean;
	readonly transparent: boolean;
	readonly idleCloseOnResponse: boolean;
	readonly restrictReqHdrNames: 'preserve' | 'delete' | 'reject';
	/** Holdfast's own: a refusal's log line names file and line of its rule. */
	readonly logDecision: boolean;
}

/** A slot of captures; without name it was made by `declare capture` and only rules fill it. */
export interface CaptureModel {
	readonly name: string;
	readonly length: number;
}

export type ErrorReplyModel =
	/** The bytes of the file, sent as they are; checked to be an HTTP message when read. */
	| { readonly kind: 'file'; readonly place: Place; readonly path: string; readonly content: string }
	| { readonly kind: 'redirect'; readonly place: Place; readonly status: 302 | 303; readonly location: string }
	/** `http-error status <code> ...`: the arguments of a `return` action. */
	| { readonly kind: 'reply'; readonly place: Place; readonly words: readonly string[] };

/** A file of patterns that is fetched anew from a URL. */
export interface UpdateModel {
	readonly place: Place;
	/** The file, as rules name it. */
	readonly id: string;
	readonly url: string;
	readonly kind: 'acl' | 'map';
	/** From one fetch to the next, and from the start to the first. */
	readonly delayMs: number;
	readonly startMs: number;
	/** Until a fetch that failed is tried again. */
	readonly retryMs: number;
	readonly timeoutMs: number;
	readonly retries: number;
	/** Asks only for what is new. */
	readonly ifModified: boolean;
	readonly logs: boolean;
	readonly logsNormal: boolean;
}

export interface UserlistModel {
	readonly place: Place;
	readonly name: string;
	readonly users: readonly {
		readonly name: string;
		readonly password: string;
		readonly encrypted: boolean;
		readonly groups: readonly string[];
	}[];
	readonly groups: readonly string[];
}

export interface HttpErrorsModel {
	readonly place: Place;
	readonly name: string;
	readonly replies: ReadonlyMap<number, ErrorReplyModel>;
}

export interface StatsModel {
	readonly place: Place;
	readonly uri: string;
	readonly realm: string | undefined;
	readonly auth: readonly (readonly [user: string, password: string])[];
	readonly refreshSeconds: number | undefined;
	readonly hideVersion: boolean;
	readonly showLegends: boolean;
	readonly showNode: string | true | undefined;
	readonly showDesc: string | true | undefined;
	readonly showModules: boolean;
	readonly scope: readonly string[];
	readonly admin: readonly Line[];
	readonly httpRequest: readonly Line[];
}
