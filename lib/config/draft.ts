/**
 * Sections while they are being read: the model's own shapes, but writable, plus what can only be settled
 * when all files have been read (references by name, `log global`, error files of a named group).
 *
 * A `defaults` section is the draft of a proxy that never runs; a proxy that follows it begins as a
 * copy. Which fields a copy carries is written in `inheritDefaults` and nowhere else.
 */
import type { Place } from '../core/diagnostics.js';
import { type HealthCheckDraft, inheritHealthCheck, NO_HEALTH_CHECK } from './keywords/health-checks.js';
import { NO_HEALTH } from './keywords/server-checks.js';
import type {
	BindModel,
	BindTlsModel,
	CacheModel,
	ErrorReplyModel,
	GlobalModel,
	H2Tuning,
	HttpErrorsModel,
	LogProfileModel,
	LogTargetModel,
	PeerModel,
	PeersModel,
	ProxyKind,
	ProxyModel,
	ProxyOptions,
	RingModel,
	ServerModel,
	ServerTlsModel,
	StatsModel,
	StickTableModel,
	SumModel,
	TimeoutsModel,
	TlsTuning,
	TuneModel,
	UserlistModel,
} from './model.js';

import { NO_RESOLUTION } from './resolvers-model.js';

/** The same shape, one level deep, to be written to. */
export type Writable<T> = {
	-readonly [K in keyof T]: T[K] extends readonly (infer U)[]
		? U[]
		: T[K] extends ReadonlyMap<infer N, infer V>
			? Map<N, V>
			: T[K];
};

/** Where error replies of a proxy come from, in the order of the lines; the last one for a status wins. */
export type ErrorReplySource =
	| { readonly kind: 'reply'; readonly status: number; readonly reply: ErrorReplyModel }
	/** `errorfiles <group> [<code> ...]`; the group may stand later in the files. */
	| { readonly kind: 'group'; readonly place: Place; readonly name: string; readonly codes: readonly number[] };

export interface ProxyDraft
	extends Omit<
		Writable<ProxyModel>,
		| 'options'
		| 'timeouts'
		| 'kind'
		| 'id'
		| 'logTargets'
		| 'errorReplies'
		| 'binds'
		| 'servers'
		| 'inheritedRules'
		| 'healthCheck'
	> {
	kind: ProxyKind | 'defaults';
	id: number | undefined;
	maxconn: number;
	options: Writable<ProxyOptions>;
	timeouts: Writable<TimeoutsModel>;
	binds: BindDraft[];
	servers: ServerDraft[];
	health: HealthCheckDraft;
	logs: (LogTargetModel | 'global')[];
	errorSources: ErrorReplySource[];
	/** `redirect` lines: rules that run after those of `http-request` (manual, 4.2 `redirect`). */
	redirects: ProxyModel['httpRequest'][number][];
	statsDraft: Writable<StatsModel> | undefined;
	/** What `server` lines begin with, from `default-server`. */
	serverDefaults: ServerOptions;
	/** `dispatch`, and whether a `balance` line takes its place. */
	dispatchDraft: ServerDraft | undefined;
	balanceGiven: boolean;
	/** The named defaults section whose rules this proxy takes over. */
	defaults: ProxyDraft | undefined;
	/** Where the mode was set, for messages; undefined while it is the built-in one. */
	modePlace: Place | undefined;
	backlogSet: boolean;
}

export interface BindDraft extends Omit<Writable<BindModel>, 'id'> {
	id: number | undefined;
}

/** What may be set by `server` and by `default-server`. */
export interface ServerOptions extends Omit<Writable<ServerModel>, 'name' | 'place' | 'address' | 'portOffset' | 'id'> {
	id: number | undefined;
	shard: number | undefined;
	/** `send-proxy` and `send-proxy-v2`, of which `sendProxy` is made. */
	sendsLine: boolean;
	sendsBinary: boolean;
	tlsDraft: Writable<ServerTlsModel>;
	/** `verify` was written: `ssl-server-verify` does not apply. */
	verifyGiven: boolean;
	tlsEnabled: boolean;
}

export interface ServerDraft extends ServerOptions {
	name: string;
	place: Place;
	address: ServerModel['address'];
	portOffset: number | undefined;
}

export interface GlobalDraft
	extends Omit<
		Writable<GlobalModel>,
		'tune' | 'rateLimits' | 'unixBind' | 'localpeer' | 'localpeerOrigin' | 'nbthread' | 'serverLineDefaults'
	> {
	tune: Omit<Writable<TuneModel>, 'tls'> & { tls: Writable<TlsTuning> };
	rateLimits: Writable<GlobalModel['rateLimits']>;
	unixBind: { -readonly [K in keyof GlobalModel['unixBind']]: GlobalModel['unixBind'][K] };
	localpeer: string | undefined;
	nbthread: number | undefined;
	defaultPath: { policy: 'current' | 'config' | 'parent' | 'origin'; origin: string };
	/** Keywords that may stand once only, and where they did. */
	readonly seen: Map<string, Place>;
	maxrewriteSet: boolean;
	crtBase: string | undefined;
	serverStateBase: string | undefined;
	serverStateFile: string | undefined;
	/** `ssl-default-bind-*` and `ssl-default-server-*`: what TLS on the lines that follow begins with. */
	bindTlsDefaults: Partial<BindTlsModel>;
	serverTlsDefaults: Partial<ServerTlsModel>;
	caBase: string | undefined;
	keyBase: string | undefined;
	certificateFiles: CertificateFileRules;
}

/** How the files of certificates are looked for (manual, 3.1 `issuers-chain-path`, `ssl-load-extra-files`, ...). */
export interface CertificateFileRules {
	/** Kinds of files that are looked for beside a certificate. */
	extras: ReadonlySet<ExtraFile>;
	/** `site.key` beside `site.crt`, not `site.crt.key`. */
	dropsExtension: boolean;
	/** The directory of chains for certificates without one. */
	chains: string | undefined;
	skipsSelfIssued: boolean;
}

export const EXTRA_FILES = ['bundle', 'sctl', 'ocsp', 'issuer', 'key'] as const;

export type ExtraFile = (typeof EXTRA_FILES)[number];

export interface PeersDraft extends Omit<Writable<PeersModel>, 'bind' | 'peers'> {
	binds: BindDraft[];
	peers: (Omit<Writable<PeerModel>, 'local'> & { readonly keyword: 'peer' | 'server' })[];
	serverDefaults: ServerOptions;
	bindDefaults: readonly string[];
	/** There is a `redis` line, be it a wrong one. */
	hasRedis: boolean;
	tables: StickTableModel[];
	logs: (LogTargetModel | 'global')[];
}

export interface AggregationDraft {
	readonly place: Place;
	readonly name: string;
	readonly sums: SumModel[];
	peers: { readonly place: Place; readonly name: string } | undefined;
	/** The peer marked `local`. */
	local: string | undefined;
	readonly levels: Map<string, 'up' | 'down'>;
	tableSize: { readonly place: Place; readonly entries: number } | undefined;
	/** Its own `peer` lines. */
	readonly section: PeersDraft;
}

export type LogProfileDraft = Writable<LogProfileModel>;

export type RingDraft = Writable<RingModel>;

export type UserlistDraft = Omit<Writable<UserlistModel>, 'users'> & {
	users: { name: string; password: string; encrypted: boolean; groups: string[]; place: Place }[];
	/** `group NAME users a,b`. */
	members: { group: string; users: string[]; place: Place }[];
};

/** Without `max-object-size` it follows from the size of the whole. */
export type CacheDraft = Omit<Writable<CacheModel>, 'objectSizeMax'> & { objectSizeMax: number | undefined };

export type HttpErrorsDraft = Writable<HttpErrorsModel>;

export const DEFAULT_OPTIONS: ProxyOptions = {
	forwardfor: undefined,
	originalto: undefined,
	forwarded: undefined,
	connectionMode: 'keep-alive',
	redispatch: undefined,
	dontlognull: false,
	dontlogNormal: false,
	logasap: false,
	logSeparateErrors: false,
	logHealthChecks: false,
	httpIgnoreProbes: false,
	disableH2Upgrade: false,
	httpBufferRequest: false,
	h1CaseAdjustBogusClient: false,
	h1CaseAdjustBogusServer: false,
	httpNoDelay: false,
	httpPretendKeepalive: false,
	httpUseProxyHeader: false,
	httpUseHtx: true,
	acceptInvalidHttpRequest: false,
	acceptInvalidHttpResponse: false,
	abortonclose: false,
	allbackups: false,
	checkcache: false,
	clitcpka: false,
	srvtcpka: false,
	contstats: false,
	independentStreams: false,
	nolinger: false,
	persist: false,
	preferLastServer: false,
	socketStats: false,
	spliceAny: false,
	tcpSmartAccept: false,
	tcpSmartConnect: false,
	transparent: false,
	idleCloseOnResponse: false,
	restrictReqHdrNames: 'preserve',
	logDecision: false,
};

const NO_TIMEOUTS: TimeoutsModel = {
	clientMs: undefined,
	serverMs: undefined,
	connectMs: undefined,
	queueMs: undefined,
	tarpitMs: undefined,
	httpRequestMs: undefined,
	httpKeepAliveMs: undefined,
	checkMs: undefined,
	tunnelMs: undefined,
	clientFinMs: undefined,
	clientHandshakeMs: undefined,
	serverFinMs: undefined,
};

export function newServerOptions(): ServerOptions {
	return {
		id: undefined,
		weight: 1,
		backup: false,
		maxconn: 0,
		minconn: 0,
		maxqueue: 0,
		disabled: false,
		cookie: undefined,
		nonStick: false,
		redir: undefined,
		poolMaxConn: -1,
		poolLowConn: 0,
		poolPurgeDelayMs: 5000,
		maxReuse: -1,
		source: undefined,
		sendProxy: 'none',
		sendsLine: false,
		sendsBinary: false,
		proxyFields: [],
		proxyFormats: [],
		socks4: undefined,
		proto: undefined,
		ws: undefined,
		tls: undefined,
		check: false,
		interMs: 2000,
		rise: 2,
		fall: 3,
		health: NO_HEALTH,
		resolution: NO_RESOLUTION,
		shard: undefined,
		tlsEnabled: false,
		verifyGiven: false,
		tlsDraft: {
			crt: undefined,
			caFile: undefined,
			verify: 'required',
			verifyHost: undefined,
			sni: undefined,
			alpn: [],
			ciphers: undefined,
			minVersion: undefined,
			maxVersion: undefined,
		},
	};
}

/** The defaults of the manual; windows of 64 kB hold back no client of this program's speed. */
export const DEFAULT_H2_TUNING: Writable<H2Tuning> = {
	headerTableSize: 4096,
	maxFrameSize: undefined,
	feInitialWindowSize: 65535,
	feMaxConcurrentStreams: 100,
	feMaxTotalStreams: 0,
	feReceiveBufferBytes: undefined,
	feGlitchesThreshold: 0,
	feWebSocket: true,
	beInitialWindowSize: 65535,
	beMaxConcurrentStreams: 100,
	beReceiveBufferBytes: undefined,
	beGlitchesThreshold: 0,
};

export const NO_BIND_TLS: BindTlsModel = {
	certificates: [],
	ca: undefined,
	crl: undefined,
	tickets: true,
	crt: [],
	caFile: undefined,
	crlFile: undefined,
	verify: 'none',
	alpn: [],
	ciphers: undefined,
	ciphersuites: undefined,
	curves: undefined,
	minVersion: undefined,
	maxVersion: undefined,
	strictSni: false,
};

/** A proxy as it is before its first line, with the defaults of the manual. */
export function newProxy(kind: ProxyDraft['kind'], name: string, place: Place): ProxyDraft {
	return {
		place,
		kind,
		name,
		id: undefined,
		uuid: undefined,
		description: undefined,
		disabled: false,
		mode: 'tcp',
		modePlace: undefined,
		maxconn: 0,
		timeouts: { ...NO_TIMEOUTS },
		options: { ...DEFAULT_OPTIONS },
		binds: [],
		backlog: undefined,
		backlogSet: false,
		defaultBackend: undefined,
		useBackends: [],
		monitorUri: undefined,
		monitorFails: [],
		requestCaptures: [],
		responseCaptures: [],
		cookieCapture: undefined,
		uniqueIdFormat: undefined,
		uniqueIdHeader: undefined,
		rateLimitSessions: undefined,
		clitcpkaIdleMs: undefined,
		srvtcpkaIdleMs: undefined,
		servers: [],
		balance: { algorithm: 'roundrobin' },
		hashType: { method: 'map-based', function: 'sdbm', avalanche: false },
		hashBalanceFactor: 0,
		hashAffinity: 'always',
		fullconn: undefined,
		retries: 3,
		retryOn: ['conn-failure'],
		httpReuse: 'safe',
		cookie: undefined,
		useServers: [],
		stickRules: [],
		persistRules: [],
		source: undefined,
		dynamicCookieKey: undefined,
		maxKeepAliveQueue: -1,
		persistRdpCookie: undefined,
		loadStateFrom: 'none',
		stateFileName: undefined,
		sendNameHeader: undefined,
		health: NO_HEALTH_CHECK,
		acls: [],
		tcpRequestConnection: [],
		tcpRequestSession: [],
		tcpRequestContent: [],
		tcpRequestInspectDelayMs: undefined,
		tcpResponseContent: [],
		tcpResponseInspectDelayMs: undefined,
		httpRequest: [],
		httpResponse: [],
		httpAfterResponse: [],
		redirects: [],
		errorSources: [],
		stickTable: undefined,
		logs: [],
		logFormat: undefined,
		errorLogFormat: undefined,
		logFormatSd: undefined,
		logSteps: undefined,
		logTag: undefined,
		stats: undefined,
		compression: undefined,
		filters: [],
		statsDraft: undefined,
		serverDefaults: newServerOptions(),
		dispatchDraft: undefined,
		balanceGiven: false,
		defaults: undefined,
	};
}

/**
 * A new proxy with what a defaults section gives it. Only fields that mean something on the proxy's own
 * side are taken, so that a backend does not carry its defaults' `default_backend`.
 */
export function inheritDefaults(draft: ProxyDraft, from: ProxyDraft): void {
	draft.mode = from.mode;
	draft.modePlace = from.modePlace;
	draft.disabled = from.disabled;
	draft.timeouts = { ...from.timeouts };
	draft.options = { ...from.options };
	draft.logs = [...from.logs];
	draft.logTag = from.logTag;
	draft.logFormat = from.logFormat;
	draft.errorLogFormat = from.errorLogFormat;
	draft.logFormatSd = from.logFormatSd;
	draft.logSteps = from.logSteps;
	draft.errorSources = [...from.errorSources];
	draft.compression = from.compression;
	draft.statsDraft = from.statsDraft === undefined ? undefined : copyStats(from.statsDraft);
	draft.serverDefaults = copyServerOptions(from.serverDefaults);
	draft.tcpRequestInspectDelayMs = from.tcpRequestInspectDelayMs;
	draft.tcpResponseInspectDelayMs = from.tcpResponseInspectDelayMs;
	if (draft.kind !== 'backend') {
		draft.maxconn = from.maxconn;
		draft.backlog = from.backlog;
		draft.defaultBackend = from.defaultBackend;
		draft.monitorUri = from.monitorUri;
		draft.cookieCapture = from.cookieCapture;
		draft.uniqueIdFormat = from.uniqueIdFormat;
		draft.uniqueIdHeader = from.uniqueIdHeader;
		draft.rateLimitSessions = from.rateLimitSessions;
		draft.clitcpkaIdleMs = from.clitcpkaIdleMs;
	}
	if (draft.kind !== 'frontend') {
		draft.balance = from.balance;
		draft.balanceGiven = from.balanceGiven;
		draft.hashType = from.hashType;
		draft.hashBalanceFactor = from.hashBalanceFactor;
		draft.hashAffinity = from.hashAffinity;
		draft.fullconn = from.fullconn;
		draft.srvtcpkaIdleMs = from.srvtcpkaIdleMs;
		draft.retries = from.retries;
		draft.retryOn = from.retryOn;
		draft.httpReuse = from.httpReuse;
		draft.cookie = from.cookie;
		draft.source = from.source;
		draft.dynamicCookieKey = from.dynamicCookieKey;
		draft.maxKeepAliveQueue = from.maxKeepAliveQueue;
		draft.persistRdpCookie = from.persistRdpCookie;
		draft.loadStateFrom = from.loadStateFrom;
		draft.sendNameHeader = from.sendNameHeader;
		draft.health = inheritHealthCheck(from.health);
	}
	draft.defaults = from;
}

function copyStats(stats: Writable<StatsModel>): Writable<StatsModel> {
	return {
		...stats,
		auth: [...stats.auth],
		scope: [...stats.scope],
		admin: [...stats.admin],
		httpRequest: [...stats.httpRequest],
	};
}

export function copyServerOptions(options: ServerOptions): ServerOptions {
	return { ...options, tlsDraft: { ...options.tlsDraft, alpn: [...options.tlsDraft.alpn] } };
}

export function newGlobal(): GlobalDraft {
	return {
		daemon: false,
		masterWorker: false,
		nbthread: undefined,
		maxconn: undefined,
		rateLimits: { connections: 0, sessions: 0, tls: 0 },
		maxsslconn: 0,
		compressionRateMax: 0,
		compressionCpuMaxPercent: 100,
		pidfile: undefined,
		localpeer: undefined,
		node: undefined,
		description: undefined,
		logTargets: [],
		logTag: undefined,
		logSendHostname: undefined,
		hardStopAfterMs: undefined,
		graceMs: undefined,
		closeSpreadTimeMs: undefined,
		mworkerMaxReloads: undefined,
		spreadChecksPercent: 0,
		maxSpreadChecksMs: undefined,
		headerCases: new Map(),
		uid: undefined,
		gid: undefined,
		chroot: undefined,
		statsSockets: [],
		statsTimeoutMs: 10_000,
		statsMaxconn: 10,
		unixBind: { prefix: '', mode: undefined, uid: undefined, gid: undefined },
		tune: {
			tls: { keylog: false, captureBytes: 0, recordBytesMax: undefined, generatedMax: 1000 },
			httpEngine: 'native',
			bufsizeBytes: 16384,
			maxrewriteBytes: 1024,
			httpMaxhdr: 101,
			h2: { ...DEFAULT_H2_TUNING },
			compressionLevelMax: 1,
			httpLogurilen: 1024,
			httpCookielen: 63,
			stickCounters: 3,
			maxaccept: undefined,
			idletimerMs: 1000,
			poolLowFdRatio: 20,
			peersMaxUpdatesAtOnce: 200,
			dynamicServers: 64,
			reloadKeepTables: true,
			patternCacheSize: 10_000,
		},
		httpErrCodes: Array.from({ length: 100 }, (_, index) => 400 + index),
		httpFailCodes: Array.from({ length: 100 }, (_, index) => 500 + index).filter(
			(status) => status !== 501 && status !== 505,
		),
		stickTableFile: undefined,
		environment: new Map(),
		variables: [],
		strictLimits: true,
		zeroWarning: false,
		acceptsPayloadWithAnyMethod: false,
		pp2NeverSendLocal: false,
		rejectsPrivilegedPorts: false,
		warnBlockedTrafficMs: 0,
		dnsFamilies: [4, 6],
		externalCheck: false,
		forkWanted: false,
		defaultPath: { policy: 'current', origin: '' },
		seen: new Map(),
		maxrewriteSet: false,
		crtBase: undefined,
		serverStateBase: undefined,
		serverStateFile: undefined,
		bindTlsDefaults: {},
		serverTlsDefaults: {},
		caBase: undefined,
		keyBase: undefined,
		certificateFiles: {
			extras: new Set(EXTRA_FILES),
			dropsExtension: false,
			chains: undefined,
			skipsSelfIssued: false,
		},
	};
}
