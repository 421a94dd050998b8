/**
 * Stick tables and who shares them: peers, Redis and sums over nodes, as part of the configuration model.
 */
import type { SocketAddress } from '../core/address.js';
import type { Place } from '../core/diagnostics.js';
import type { BindModel } from './bind-model.js';
import type { LogTargetModel } from './log-model.js';
import type { ServerTlsModel } from './server-model.js';

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
