/**
 * The `global` section (manual, chapter 3), as part of the configuration model.
 */
import type { SocketAddress } from '../core/address.js';
import type { Place } from '../core/diagnostics.js';
import type { LogTargetModel } from './log-model.js';
import type { Line } from './model.js';
import type { ServerTlsModel } from './server-model.js';

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
