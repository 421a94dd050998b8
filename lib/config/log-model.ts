/** Where log lines go and how they look: `log` lines, `ring` and `log-profile` sections, as data. */
import type { SocketAddress } from '../core/address.js';
import type { Place } from '../core/diagnostics.js';
import type { Line, ProxyModel, ServerTlsModel } from './model.js';

/** What stands before the text of a line, and how (manual, 4.2 `log`). */
export type LogLineFormat = 'local' | 'rfc3164' | 'rfc5424' | 'priority' | 'short' | 'timed' | 'iso' | 'raw';

/** A `ring` section, or the ring that a log line made for itself (manual, 3.9). */
export interface RingModel {
	readonly place: Place;
	readonly name: string;
	readonly description: string;
	/** Undefined: raw. */
	readonly format: LogLineFormat | undefined;
	readonly maxlenBytes: number | undefined;
	readonly sizeBytes: number;
	readonly connectTimeoutMs: number | undefined;
	readonly serverTimeoutMs: number | undefined;
	readonly servers: readonly RingServerModel[];
}

/** A `log-profile` section. */
export interface LogProfileModel {
	readonly place: Place;
	readonly name: string;
	readonly logTag: string | undefined;
	/** By step: those of `LOG_STEPS`, of rules, `error`, `any`. */
	readonly steps: ReadonlyMap<string, LogProfileStepModel>;
}

export interface LogProfileStepModel {
	readonly place: Place;
	readonly drop: boolean;
	readonly format: Line | undefined;
	readonly sd: Line | undefined;
}

/** A log server of a ring. */
export interface RingServerModel {
	readonly place: Place;
	readonly name: string;
	readonly address: SocketAddress;
	/** `legacy`: a newline after each line; `octet-count`: its length before it (RFC 6587, 3.4.2 and 3.4.1). */
	readonly framing: 'legacy' | 'octet-count';
	readonly tls: ServerTlsModel | undefined;
}

/** One `log` line (manual, 4.2 `log`). */
export interface LogTargetModel {
	readonly place: Place;
	readonly target:
		| { readonly kind: 'stdout' | 'stderr' }
		| { readonly kind: 'udp'; readonly host: string; readonly port: number }
		| { readonly kind: 'unix'; readonly path: string }
		| { readonly kind: 'fd'; readonly fd: number }
		| { readonly kind: 'ring'; readonly name: string }
		/** Only while the file is read: it becomes a ring of its own (check-rings.ts). */
		| { readonly kind: 'tcp'; readonly address: SocketAddress };
	readonly lengthBytes: number;
	readonly format: LogLineFormat;
	/** `format` was written. */
	readonly formatGiven: boolean;
	readonly sample:
		| { readonly ranges: readonly (readonly [low: number, high: number])[]; readonly size: number }
		| undefined;
	/** Name of a `log-profile` section. */
	readonly profile: string | undefined;
	readonly facility: string;
	readonly maxLevel: string;
	readonly minLevel: string;
}

/** A `log-forward` section (manual, 3.10): log messages of others come in, and go on to log targets. */
export interface LogForwardModel {
	readonly place: Place;
	readonly name: string;
	/** Its `bind` lines, `maxconn`, `backlog` and `timeout client`, as a frontend of plain connections. */
	readonly connections: ProxyModel;
	readonly datagramBinds: readonly DatagramBindModel[];
	readonly targets: readonly LogForwardTargetModel[];
	/** Off with `option dont-parse-log`: a message is one text. */
	readonly parsesMessages: boolean;
	/** `option assume-rfc6587-ntf`: every message of a connection ends with a newline, whatever it begins with. */
	readonly endsAtNewlines: boolean;
	readonly hostStrategy: LogHostStrategy;
}

export interface LogForwardTargetModel {
	readonly target: LogTargetModel;
	/** No `format` was written: a message keeps its own. */
	readonly keepsFormat: boolean;
}

/** What becomes of the host a message names: `option host` of log-forward sections. */
export type LogHostStrategy = 'keep' | 'fill' | 'replace' | 'append';

/** An address of a `dgram-bind` line. */
export interface DatagramBindModel {
	readonly place: Place;
	readonly address: Extract<SocketAddress, { readonly kind: 'ip' }>;
	readonly v6only: boolean;
}
