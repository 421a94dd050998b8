/**
 * Log targets that lead to rings (manual, 3.9 and 4.2 `log`): `ring@NAME` must name one, and takes its format and length
 * from it; `tcp@` targets get a ring of their own, as in HAProxy, so that a slow log server never slows traffic.
 */
import { type Diagnostics, didYouMean } from '../core/diagnostics.js';
import type { RingDraft } from './draft.js';
import { DEFAULT_RING_BYTES, newRing } from './keywords/ring.js';
import type { LogTargetModel, RingModel, RingServerModel } from './model.js';

/** HAProxy's own, of one megabyte. */
const BUILT_IN_RING = 'buf0';
const BUILT_IN_RING_BYTES = 1024 * 1024;

export class RingNames {
	readonly #rings: Map<string, RingModel>;
	readonly #diagnostics: Diagnostics;
	/** The same line may stand in several proxies, by `log global` or by defaults. */
	readonly #resolved = new Map<LogTargetModel, LogTargetModel>();
	#implicitCount = 0;

	constructor(drafts: readonly RingDraft[], diagnostics: Diagnostics) {
		this.#diagnostics = diagnostics;
		this.#rings = new Map(drafts.map((draft) => [draft.name, this.#finish(draft)]));
	}

	/** Those of the file, then those that log lines have made. */
	get rings(): readonly RingModel[] {
		return [...this.#rings.values()];
	}

	#finish(draft: RingDraft): RingModel {
		const { maxlenBytes, sizeBytes } = draft;
		const tooLong = maxlenBytes !== undefined && maxlenBytes > sizeBytes;
		if (tooLong) {
			this.#diagnostics.warning(
				draft.place,
				`ring '${draft.name}' event max length '${maxlenBytes}' exceeds size, forced to size '${sizeBytes}'.`,
			);
		}
		if (draft.servers.length > 0 && (draft.connectTimeoutMs === undefined || draft.serverTimeoutMs === undefined)) {
			this.#diagnostics.warning(
				draft.place,
				`ring '${draft.name}' has servers and no 'timeout connect' or no 'timeout server': a log server that does not answer is not noticed.`,
			);
		}
		return { ...draft, maxlenBytes: tooLong ? sizeBytes : maxlenBytes };
	}

	/** The target as threads write to it. */
	resolve(target: LogTargetModel): LogTargetModel {
		let resolved = this.#resolved.get(target);
		if (resolved === undefined) {
			resolved = this.#resolve(target);
			this.#resolved.set(target, resolved);
		}
		return resolved;
	}

	/** The targets of a section: its own, and those of the global one where it says so. */
	resolveAll(logs: readonly (LogTargetModel | 'global')[], ofGlobal: readonly LogTargetModel[]): LogTargetModel[] {
		return logs.flatMap((log) => (log === 'global' ? ofGlobal : [this.resolve(log)]));
	}

	#resolve(model: LogTargetModel): LogTargetModel {
		const { target, place } = model;
		if (target.kind === 'tcp') return this.#implicit(model, target.address);
		if (target.kind !== 'ring') return model;
		const { name } = target;
		if (name === 'stdout' || name === 'stderr') return { ...model, target: { kind: name }, format: 'raw' };
		if (name === BUILT_IN_RING && !this.#rings.has(name)) {
			const draft = { ...newRing(name, place), description: 'in-memory ring buffer', sizeBytes: BUILT_IN_RING_BYTES };
			this.#rings.set(name, draft);
		}
		const ring = this.#rings.get(name);
		if (ring === undefined) {
			this.#diagnostics.alert(place, `log : unable to find ring '${name}'${didYouMean(name, this.#rings.keys())}`);
			return model;
		}
		const format = ring.format ?? 'raw';
		if (model.formatGiven && model.format !== format) {
			// As observed: not so much as a word of it in the reference.
			this.#diagnostics.warning(
				place,
				`log : 'format ${model.format}' is not used for a ring; lines of ring '${name}' have format '${format}', which is set in its section.`,
			);
		}
		return { ...model, format, lengthBytes: Math.min(model.lengthBytes, ring.maxlenBytes ?? model.lengthBytes) };
	}

	#implicit(model: LogTargetModel, address: RingServerModel['address']): LogTargetModel {
		const { place } = model;
		const name = `ring#${++this.#implicitCount}`;
		this.#rings.set(name, {
			...newRing(name, place),
			description: `created from logserver declared into '${place.file}' at line ${place.line}`,
			sizeBytes: Math.max(DEFAULT_RING_BYTES, 4 * model.lengthBytes),
			format: model.format,
			connectTimeoutMs: 1000,
			serverTimeoutMs: 5000,
			servers: [{ place, name, address, framing: 'legacy', tls: undefined }],
		});
		return { ...model, target: { kind: 'ring', name } };
	}
}
