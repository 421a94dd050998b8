/**
 * The filters of one proxy as its lines declare them, compiled: what streams that pass through the proxy look at.
 * A proxy without a line of `compression` or `filter` has none, and its streams look no further.
 */
import type { BandwidthLimitModel, CompressionModel, ProxyModel } from '../../config/model.js';
import { compileExpression } from '../../sample/expression.js';
import type { CompileContext, Expression } from '../../sample/types.js';
import { canCast } from '../../sample/values.js';
import type { DataSlot, StickTable } from '../../stick-table/table.js';

export interface BandwidthLimit {
	readonly model: BandwidthLimitModel;
	readonly shared:
		| { readonly key: Expression; readonly table: StickTable; readonly slot: DataSlot; readonly limit: number }
		| undefined;
}

export interface ProxyFilters {
	readonly compression: CompressionModel | undefined;
	/** `filter bwlim-*` by name, in the order of their lines. */
	readonly limits: ReadonlyMap<string, BandwidthLimit>;
	/** Limits declared before `filter compression` see what the server sent, those after it what the client gets. */
	readonly limitsBeforeCompression: ReadonlySet<string>;
}

/** Undefined for none; `failed` after an alert. */
export function compileFilters(model: ProxyModel, context: CompileContext): ProxyFilters | undefined | 'failed' {
	if (model.compression === undefined && model.filters.length === 0) return undefined;
	const limits = new Map<string, BandwidthLimit>();
	const before = new Set<string>();
	let compressionSeen = false;
	let failed = false;
	for (const filter of model.filters) {
		if (filter.kind === 'compression') compressionSeen = true;
		if (filter.kind !== 'bwlim') continue;
		const limit = compileLimit(filter, context.at(filter.place, filter.outgoing ? 'http-response' : 'http-request'));
		if (limit === undefined) {
			failed = true;
			continue;
		}
		limits.set(filter.name, limit);
		if (!compressionSeen) before.add(filter.name);
	}
	return failed ? 'failed' : { compression: model.compression, limits, limitsBeforeCompression: before };
}

function compileLimit(model: BandwidthLimitModel, context: CompileContext): BandwidthLimit | undefined {
	const { shared } = model;
	if (shared === undefined) return { model, shared: undefined };
	const what = `'filter ${model.outgoing ? 'bwlim-out' : 'bwlim-in'} ${model.name}'`;
	const key = compileKey(shared.key.words, context);
	if (key === undefined) return undefined;
	const table = context.table(shared.table ?? '');
	if (table === undefined) {
		const name = shared.table ?? context.proxy?.name ?? '';
		context.diagnostics.alert(context.place, `${what} : unable to find table '${name}'.`);
		return undefined;
	}
	const type = table.model.keyType === 'integer' ? 'sint' : table.model.keyType === 'ip' ? 'ipv4' : 'str';
	if (type !== 'str' && key.type !== 'any' && key.type !== 'addr' && !canCast(key.type, type)) {
		context.diagnostics.alert(context.place, `${what} : '${key.text}' cannot be a key of table '${table.model.name}'.`);
		return undefined;
	}
	const column = model.outgoing ? 'bytes_out_rate' : 'bytes_in_rate';
	const slot = table.slot(column);
	if (slot === undefined) {
		context.diagnostics.alert(
			context.place,
			`${what} : table '${table.model.name}' does not store '${column}(<period>)', which the limit is measured by.`,
		);
		return undefined;
	}
	return { model, shared: { key, table, slot, limit: shared.limit } };
}

function compileKey(words: readonly string[], context: CompileContext): Expression | undefined {
	const compiled = compileExpression(words, 0, context);
	if (compiled === undefined) return undefined;
	if (compiled.next >= words.length) return compiled.expression;
	context.diagnostics.alert(context.place, `unexpected argument '${words[compiled.next]}' after the key.`);
	return undefined;
}
