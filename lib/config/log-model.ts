/** Where log lines go and how they look: `log` lines, `ring` and `log-profile` sections, as data. */
import type { SocketAddress } from '../core/address.js';
import type { Place } from '../core/diagnostics.js';
import type { Line, ServerTlsModel } from './model.js';

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
