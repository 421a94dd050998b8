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
import type { HealthCheckModel, ServerHealthModel } from './health-model.js';
import type { LogForwardModel, LogProfileModel, LogTargetModel, RingModel } from './log-model.js';
import type { ResolversModel, ServerResolutionModel } from './resolvers-model.js';
import type { LastServerState } from './server-state-file.js';

export type {
	DatagramBindModel,
	LogForwardModel,
	LogLineFormat,
	LogProfileModel,
	LogProfileStepModel,
	LogTargetModel,
	RingModel,
	RingServerModel,
} from './log-model.js';

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

export interface GlobalModel {
	readonly daemon: boolean;
	readonly masterWorker: boolean;
	/** Data threads; the number of cores when the file does not say. */
	readonly nbthread: number;
	readonly maxconn: number | undefined;
	/** `maxconnrate`, `maxsessrate`, `maxsslrate`: new ones per second in the whole process; 0: no limit. */
	readonly rateLimits: { readonly connections: number; readonly sessions: number; readonly tls: number };
	/** `maxsslconn`: TLS connections of clients at a time; 0: no limit of their own. */
	readonly maxsslconn: number;
	/** `maxcomprate`: bytes per second that may be compressed by the whole process; 0: no limit. */
	readonly compressionRateMax: number;
	/** `maxcompcpuusage`: percent of a core beyond which nothing more is compressed. */
	readonly compressionCpuMaxPercent: number;
	readonly pidfile: string | undefined;
	/** The name of the local peer: `-L`, else `localpeer`, else the host name. */
	readonly localpeer: string;
	/** Which of the three it was, for the message when no section has it. */
	readonly localpeerOrigin: '-L' | 'localpeer' | 'host name';
	readonly node: string | undefined;
	readonly description: string | undefined;
	readonly logTargets: readonly LogTargetModel[];
	readonly logTag: string | undefined;
	readonly logSendHostname: string | undefined;
	readonly hardStopAfterMs: number | undefined;
	readonly graceMs: number | undefined;
	readonly closeSpreadTimeMs: number | 'infinite' | undefined;
	readonly mworkerMaxReloads: number | undefined;
	readonly spreadChecksPercent: number;
	/** The first check of all servers begins within that time; undefined: within the shortest `inter`. */
	readonly maxSpreadChecksMs?: number | undefined;
	/** `h1-case-adjust`: names of fields as some insist on them, by the name in lower case. */
	readonly headerCases: ReadonlyMap<string, string>;
	readonly uid: number | undefined;
	readonly gid: number | undefined;
	readonly chroot: string | undefined;
	readonly statsSockets: readonly StatsSocketModel[];
	readonly statsTimeoutMs: number;
	readonly statsMaxconn: number;
	readonly unixBind: {
		readonly prefix: string;
		readonly mode: number | undefined;
		readonly uid: number | undefined;
		readonly gid: number | undefined;
	};
	readonly tune: TuneModel;
	/** Status codes counted as client errors and server failures (3.0+ `http-err-codes`, `http-fail-codes`). */
	readonly httpErrCodes: readonly number[];
	readonly httpFailCodes: readonly number[];
	readonly stickTableFile: { readonly path: string; readonly intervalMs: number } | undefined;
	/** What the lines of servers that are added at run time start from: `crt-base`, `ca-base`, `ssl-default-server-*`. */
	readonly serverLineDefaults: {
		readonly crtBase: string | undefined;
		readonly caBase: string | undefined;
		readonly tls: Partial<ServerTlsModel> & { readonly verify?: ServerTlsModel['verify'] };
	};
	/** Set by `setenv` and its kin; what `env()` and `show env` see. */
	readonly environment: ReadonlyMap<string, string>;
	/** Words of `set-var` and `set-var-fmt`, keyword first. */
	readonly variables: readonly Line[];
	readonly strictLimits: boolean;
	/** Any warning refuses the configuration. */
	readonly zeroWarning: boolean;
	/** `h1-accept-payload-with-any-method` */
	readonly acceptsPayloadWithAnyMethod: boolean;
	/** Health checks send their own ends in version 2 of the PROXY protocol, too. */
	readonly pp2NeverSendLocal: boolean;
	/** `harden.reject-privileged-ports.tcp`: clients below port 1024 are closed. */
	readonly rejectsPrivilegedPorts: boolean;
	/** A thread that has been stuck for longer says so; 0: never. */
	readonly warnBlockedTrafficMs: number;
	/** Families of addresses that resolvers ask for; `auto`: IPv6 only where the machine has such an address. */
	readonly dnsFamilies: readonly (4 | 6)[] | 'auto';
	/** `external-check` and `insecure-fork-wanted`: programs may be started as checks. */
	readonly externalCheck: boolean;
	readonly forkWanted: boolean;
}

/** `tune.ssl.*` that holds for every `bind` line. */
export interface TlsTuning {
	/** `tune.ssl.keylog`: the secrets of a connection can be fetched. */
	readonly keylog: boolean;
	/** `tune.ssl.capture-buffer-size`: bytes of each list of a client's hello that are kept; 0: none. */
	readonly captureBytes: number;
	/** `tune.ssl.hard-maxrecord`, or `tune.ssl.maxrecord`: bytes of a record; undefined: as many as fit. */
	readonly recordBytesMax: number | undefined;
	/** `tune.ssl.ssl-ctx-cache-size`: generated certificates that are kept. */
	readonly generatedMax: number;
}

export interface TuneModel {
	readonly tls: TlsTuning;
	/** `native` or `node`, `tune.http.engine`. */
	readonly httpEngine: 'native' | 'node';
	readonly bufsizeBytes: number;
	readonly maxrewriteBytes: number;
	readonly httpMaxhdr: number;
	/** `tune.h2.*`. */
	readonly h2: H2Tuning;
	/** `tune.comp.maxlevel`, 1 to 9. */
	readonly compressionLevelMax: number;
	readonly httpLogurilen: number;
	readonly httpCookielen: number;
	readonly stickCounters: number;
	readonly maxaccept: number | undefined;
	readonly idletimerMs: number;
	readonly poolLowFdRatio: number;
	readonly peersMaxUpdatesAtOnce: number;
	/** Servers that `add server` may add to each backend with a dynamic algorithm. */
	readonly dynamicServers: number;
	readonly reloadKeepTables: boolean;
	readonly patternCacheSize: number;
}

/** `tune.h2.*` (manual, 3.2); `fe` towards clients, `be` towards servers. */
export interface H2Tuning {
	readonly headerTableSize: number;
	readonly maxFrameSize: number | undefined;
	readonly feInitialWindowSize: number;
	readonly feMaxConcurrentStreams: number;
	/** Requests of one connection, then it is asked to go; 0: no limit. */
	readonly feMaxTotalStreams: number;
	/** Payload of all streams of a connection together that may wait unread; undefined: some windows of streams. */
	readonly feReceiveBufferBytes: number | undefined;
	/** Oddities that end a connection; 0: never. */
	readonly feGlitchesThreshold: number;
	readonly beInitialWindowSize: number;
	readonly beMaxConcurrentStreams: number;
	readonly beReceiveBufferBytes: number | undefined;
	readonly beGlitchesThreshold: number;
	/** Clients are told that WebSocket over HTTP/2 is served; not with `h2-workaround-bogus-websocket-clients`. */
	readonly feWebSocket: boolean;
}

export interface StatsSocketModel {
	readonly place: Place;
	readonly address: SocketAddress;
	readonly level: 'user' | 'operator' | 'admin';
	readonly mode: number | undefined;
	readonly uid: number | undefined;
	readonly gid: number | undefined;
	readonly name: string | undefined;
	readonly maxconn: number | undefined;
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

/** One address of a `bind` line; a line with several addresses or a port range gives several. */
export interface BindModel {
	readonly place: Place;
	readonly address: SocketAddress;
	/** Unique within the proxy; HAProxy numbers them from 1. */
	readonly id: number;
	readonly name: string | undefined;
	readonly maxconn: number | undefined;
	readonly backlog: number | undefined;
	readonly v4v6: boolean;
	readonly v6only: boolean;
	readonly mode: number | undefined;
	readonly uid: number | undefined;
	readonly gid: number | undefined;
	readonly acceptProxy: boolean;
	/** `accept-netscaler-cip`: the magic number. */
	readonly cipMagic?: number | undefined;
	/** `proto`; undefined: what the client asks for, by ALPN or by its first bytes. */
	readonly proto?: 'h1' | 'h2' | undefined;
	readonly tls: BindTlsModel | undefined;
}

export interface CertificateModel {
	readonly path: string;
	/** The certificate and its chain. */
	readonly pem: string;
	readonly key: string;
	/** Names it is for, from a `crt-list`, `!` in front excluding one; empty: those it was made out for. */
	readonly filters: readonly string[];
	/** The OCSP response to staple, DER in base64, from `<path>.ocsp`. */
	readonly ocsp?: string | undefined;
	/** The line of a `crt-list` that names it. */
	readonly listed?: CrtListLine | undefined;
	/** What that line says other than the `bind` line. */
	readonly options?: CertificateOptions | undefined;
}

export interface CrtListLine {
	readonly list: string;
	/** From 1. */
	readonly line: number;
	/** As written, between the brackets. */
	readonly options: string;
}

/** Options of one line of a `crt-list` (manual, 5.1 `crt-list`). */
export type CertificateOptions = Partial<
	Pick<
		BindTlsModel,
		| 'alpn'
		| 'verify'
		| 'ca'
		| 'caFile'
		| 'caVerify'
		| 'caVerifyFile'
		| 'crl'
		| 'crlFile'
		| 'ciphers'
		| 'ciphersuites'
		| 'curves'
		| 'sigalgs'
		| 'minVersion'
		| 'maxVersion'
	>
>;

/** Errors of clients' certificates that do not end a handshake. */
export type IgnoredErrors = 'all' | readonly number[];

export interface BindTlsModel {
	/** What the files of `crt` and `crt-list` hold; the first one is for clients that name nobody. */
	readonly certificates: readonly CertificateModel[];
	/** The text of `ca-file` and `crl-file`. */
	readonly ca: string | undefined;
	readonly crl: string | undefined;
	/** `no-tls-tickets` turns it off. */
	readonly tickets: boolean;
	readonly crt: readonly string[];
	/** Paths of the lists that its certificates come from. */
	readonly crtLists?: readonly string[] | undefined;
	readonly caFile: string | undefined;
	readonly crlFile: string | undefined;
	readonly verify: 'none' | 'optional' | 'required';
	readonly alpn: readonly string[];
	readonly ciphers: string | undefined;
	readonly ciphersuites: string | undefined;
	readonly curves: string | undefined;
	readonly minVersion: string | undefined;
	readonly maxVersion: string | undefined;
	readonly strictSni: boolean;
	readonly prefersClientCiphers?: boolean;
	readonly sigalgs?: string | undefined;
	/** `ssl-security-level`. */
	readonly securityLevel?: number | undefined;
	/** Authorities that clients' certificates are verified by and that they are not meant to be told of; their text. */
	readonly caVerifyFile?: string | undefined;
	readonly caVerify?: string | undefined;
	/** `ca-ignore-err`: beyond the client's own certificate; `crt-ignore-err`: of it. */
	readonly caIgnoredErrors?: IgnoredErrors | undefined;
	readonly crtIgnoredErrors?: IgnoredErrors | undefined;
	/** `generate-certificates`, and who signs them: the text of `ca-sign-file`. */
	readonly generates?: boolean;
	readonly signFile?: string | undefined;
	readonly signer?: string | undefined;
	readonly signPassphrase?: string | undefined;
	/** `tls-ticket-keys`: the file and its keys, base64, the oldest first. */
	readonly ticketKeys?: TicketKeysModel | undefined;
}

export interface TicketKeysModel {
	readonly path: string;
	readonly keys: readonly string[];
}

/** Words of `proxy-v2-options` (manual, 5.2). */
export const PROXY_FIELDS = [
	'ssl',
	'cert-cn',
	'ssl-cipher',
	'cert-sig',
	'cert-key',
	'authority',
	'crc32c',
	'unique-id',
] as const;

export type ProxyField = (typeof PROXY_FIELDS)[number];

export interface ServerModel {
	readonly place: Place;
	readonly name: string;
	/** Unique within the backend, given by `id` or counted from 1. */
	readonly id: number;
	/** The line has an `id`. */
	readonly idGiven?: boolean;
	readonly address: SocketAddress;
	/** The port as written: absolute, or an offset to the port the client reached (`+1`, `-1`, none). */
	readonly portOffset: number | undefined;
	readonly weight: number;
	readonly backup: boolean;
	/** 0 is no limit. */
	readonly maxconn: number;
	readonly minconn: number;
	/** 0 is no limit. */
	readonly maxqueue: number;
	readonly disabled: boolean;
	readonly cookie: string | undefined;
	readonly nonStick: boolean;
	readonly redir: string | undefined;
	/** Idle connections that may be kept; -1: no limit, 0: none. */
	readonly poolMaxConn: number;
	readonly poolLowConn: number;
	readonly poolPurgeDelayMs: number;
	/** How often a connection may serve again after its first request; -1: no limit. */
	readonly maxReuse: number;
	readonly source: SocketAddress | undefined;
	readonly sendProxy: 'none' | 'v1' | 'v2';
	/** What a header of version 2 says beyond addresses (`proxy-v2-options`). */
	readonly proxyFields: readonly ProxyField[];
	/** `set-proxy-v2-tlv-fmt`: fields of other types, each with its log format. */
	readonly proxyFormats: readonly { readonly type: number; readonly line: Line }[];
	/** The SOCKS4 proxy on the way to it. */
	readonly socks4?: SocketAddress | undefined;
	/** `proto`; undefined: HTTP/2 if ALPN agrees on it, else HTTP/1.1. */
	readonly proto?: 'h1' | 'h2' | undefined;
	/** `ws`: what carries WebSocket; undefined: `auto`. */
	readonly ws?: 'h1' | 'h2' | undefined;
	readonly tls: ServerTlsModel | undefined;
	/** Of `check-ssl` on a server whose traffic is in clear. */
	readonly checkTls?: ServerTlsModel | undefined;
	readonly check: boolean;
	readonly interMs: number;
	readonly rise: number;
	readonly fall: number;
	/** Everything else about its checks. */
	readonly health: ServerHealthModel;
	/** What a state file says of it; undefined: nothing. */
	readonly lastState?: LastServerState | undefined;
	/** How its name becomes an address; of no meaning where it is no name. */
	readonly resolution: ServerResolutionModel;
}

export interface ServerTlsModel {
	readonly sigalgs?: string | undefined;
	readonly securityLevel?: number | undefined;
	readonly ciphersuites?: string | undefined;
	readonly curves?: string | undefined;
	readonly crlFile?: string | undefined;
	/** `no-ssl-reuse`: each connection begins a session of its own. */
	readonly reuse?: boolean;
	/** `no-tls-tickets` turns it off. */
	readonly tickets?: boolean;
	readonly crt: string | undefined;
	readonly caFile: string | undefined;
	readonly verify: 'none' | 'required';
	readonly verifyHost: string | undefined;
	readonly sni: Line | undefined;
	readonly alpn: readonly string[];
	readonly ciphers: string | undefined;
	readonly minVersion: string | undefined;
	readonly maxVersion: string | undefined;
}

export type CompressionAlgorithm = 'gzip' | 'deflate' | 'raw-deflate' | 'identity' | 'br';

/** `compression` (manual, 4.2 `compression`). */
export interface CompressionModel {
	readonly requestAlgorithm: CompressionAlgorithm | undefined;
	/** In the order of the lines. */
	readonly responseAlgorithms: readonly CompressionAlgorithm[];
	/** Beginnings of content types; none: all types. */
	readonly requestTypes: readonly string[];
	readonly responseTypes: readonly string[];
	readonly offload: boolean;
	readonly direction: 'request' | 'response' | 'both';
	/** Bytes of a body below which it is left as it is, where its length is known. */
	readonly requestSizeMin: number;
	readonly responseSizeMin: number;
}

export type FilterModel =
	| { readonly kind: 'compression'; readonly place: Place }
	| { readonly kind: 'cache'; readonly place: Place; readonly cache: string }
	| BandwidthLimitModel;

/** `filter bwlim-in|bwlim-out` (manual of 2.7, 9.7); one of `shared` and `perStream`. */
export interface BandwidthLimitModel {
	readonly kind: 'bwlim';
	readonly place: Place;
	readonly name: string;
	/** To the client; else from it. */
	readonly outgoing: boolean;
	/** Bytes that are given on at a time, but for the last. */
	readonly sizeMin: number;
	/** Bytes in the period of the table's byte rate, for all streams with one key; without `table` the proxy's own. */
	readonly shared?: { readonly limit: number; readonly key: Line; readonly table: string | undefined };
	/** Bytes in the period for one stream. */
	readonly perStream?: { readonly limit: number; readonly periodMs: number };
}

/** A `cache` section (manual, 6.2.1). */
export interface CacheModel {
	readonly place: Place;
	readonly name: string;
	readonly totalSizeBytes: number;
	/** Head and body together. */
	readonly objectSizeMax: number;
	readonly ageMaxSeconds: number;
	readonly processVary: boolean;
	readonly secondaryEntriesMax: number;
}

/** `balance <algorithm> [arguments]` (manual, 4.2 `balance`). */
export type BalanceModel =
	| { readonly algorithm: 'roundrobin' | 'static-rr' | 'leastconn' | 'first' | 'source' }
	| {
			readonly algorithm: 'uri';
			readonly pathOnly: boolean;
			readonly whole: boolean;
			readonly lengthChars: number;
			readonly depth: number;
	  }
	| { readonly algorithm: 'url_param'; readonly name: string; readonly checkPostBytes: number | undefined }
	| { readonly algorithm: 'hdr'; readonly name: string; readonly useDomainOnly: boolean }
	| { readonly algorithm: 'random'; readonly draws: number }
	| { readonly algorithm: 'rdp-cookie'; readonly name: string }
	| { readonly algorithm: 'hash'; readonly expression: Line };

/** `hash-preserve-affinity`: when a key leaves a server that is busy. */
export type HashAffinity = 'always' | 'maxconn' | 'maxqueue';

export interface HashTypeModel {
	readonly method: 'map-based' | 'consistent';
	readonly function: 'sdbm' | 'djb2' | 'wt6' | 'crc32' | 'none';
	readonly avalanche: boolean;
}

/** `cookie` of a backend (manual, 4.2 `cookie`). */
export interface CookieModel {
	readonly name: string;
	readonly mode: 'rewrite' | 'insert' | 'prefix' | 'none';
	readonly indirect: boolean;
	readonly nocache: boolean;
	readonly postonly: boolean;
	readonly preserve: boolean;
	readonly httponly: boolean;
	readonly secure: boolean;
	readonly domains: readonly string[];
	readonly maxidleMs: number | undefined;
	readonly maxlifeMs: number | undefined;
	readonly dynamic: boolean;
	readonly attributes: readonly string[];
}

export type ErrorReplyModel =
	/** The bytes of the file, sent as they are; checked to be an HTTP message when read. */
	| { readonly kind: 'file'; readonly place: Place; readonly path: string; readonly content: string }
	| { readonly kind: 'redirect'; readonly place: Place; readonly status: 302 | 303; readonly location: string }
	/** `http-error status <code> ...`: the arguments of a `return` action. */
	| { readonly kind: 'reply'; readonly place: Place; readonly words: readonly string[] };

/** A stick table's declaration (manual, 4.2 `stick-table`; specification `stick-tables.md` section 1). */
export interface StickTableModel {
	readonly place: Place;
	/** The proxy's name, or `<peers section>/<table>`. */
	readonly name: string;
	readonly keyType: 'ip' | 'ipv6' | 'integer' | 'string' | 'binary';
	/** Bytes of a key: 4, 16, 4, the most a string may have, the size of a binary. */
	readonly keyLengthBytes: number;
	readonly size: number;
	/** Undefined: entries never expire. */
	readonly expireMs: number | undefined;
	readonly nopurge: boolean;
	readonly recvOnly: boolean;
	readonly writeTo: string | undefined;
	readonly srvkey: 'name' | 'addr';
	readonly store: readonly StoredDataModel[];
	readonly bratesFactor: number;
	/** Name of the peers section that replicates it. */
	readonly peers: string | undefined;
	/** The table whose shares, of all nodes, this one is the sum of; undefined for every table that counts itself. */
	readonly sumOf?: string | undefined;
}

export interface StoredDataModel {
	/** A name of the table of data types: `http_req_rate`, `gpc`, ... */
	readonly type: string;
	readonly periodMs: number | undefined;
	/** Elements of an array type. */
	readonly count: number | undefined;
}

export interface PeersModel {
	readonly place: Place;
	readonly name: string;
	readonly disabled: boolean;
	/** Where the local peer listens, in both forms of the section; undefined only when it is disabled. */
	readonly bind: BindModel | undefined;
	readonly peers: readonly PeerModel[];
	readonly shards: number;
	readonly tables: readonly StickTableModel[];
	readonly logTargets: readonly LogTargetModel[];
	/** Ours: refuse callers whose address is no peer's. */
	readonly sourceCheck: boolean;
	/** Ours: the section's tables are shared through Redis, and not with other peers. */
	readonly redis: RedisModel | undefined;
}

/** `redis <url> ...` in a peers section. */
export interface RedisModel {
	readonly place: Place;
	readonly servers: RedisServersModel;
	/** All keys begin with it. */
	readonly prefix: string;
	/** Certificates (PEM) that the server's is checked with; undefined: those of the system. */
	readonly ca: string | undefined;
	/** Certificate and key (PEM) that this node shows; undefined: none. */
	readonly certificate: string | undefined;
	/** Whether the server's certificate is checked. */
	readonly verify: 'none' | 'required';
	/** Pause between two rounds of writing and reading. */
	readonly intervalMs: number;
	/** How long what has no life of its own stays in Redis after its node was heard of last. */
	readonly keepMs: number;
}

export interface RedisServersModel {
	readonly kind: 'single' | 'unix' | 'sentinel' | 'cluster';
	readonly tls: boolean;
	/** Sentinels, or nodes of a cluster. */
	readonly nodes: readonly { readonly host: string; readonly port: number }[];
	/** Of a unix socket. */
	readonly path: string | undefined;
	/** What Sentinel calls the server. */
	readonly master: string | undefined;
	readonly database: number;
	readonly user: string | undefined;
	readonly password: string | undefined;
}

export interface PeerModel {
	readonly place: Place;
	readonly name: string;
	/** Undefined for the local peer written as `server NAME` beside a `bind` line. */
	readonly address: SocketAddress | undefined;
	readonly local: boolean;
	readonly disabled: boolean;
	readonly shard: number | undefined;
	readonly tls: ServerTlsModel | undefined;
}

/** An `aggregations` section: which tables are summed, and over which nodes. */
export interface AggregationModel {
	readonly place: Place;
	readonly name: string;
	/** What is summed; the last `from` of the same tables counts. */
	readonly sums: readonly SumModel[];
	/** `peers`: tables of this load balancer, over the nodes of that section. Undefined: see `section`. */
	readonly peers: string | undefined;
	/**
	 * Of an aggregator for other nodes: its own listener and peers, as a peers section without tables, whose local
	 * peer is the one marked `local`. Undefined with `peers`.
	 */
	readonly section: PeersModel | undefined;
	/** Levels of aggregators: `down` is summed here, `up` sums what this one has summed. By peer name. */
	readonly levels: ReadonlyMap<string, 'up' | 'down'>;
	/** `table-size`: entries of one node in a table that an aggregator learns of; undefined: 1,048,576. */
	readonly tableSize: number | undefined;
}

/** `from SUFFIX|any to SUFFIX`. */
export interface SumModel {
	readonly place: Place;
	/** Undefined: any table that does not end in `to`. */
	readonly from: string | undefined;
	readonly to: string;
}

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
