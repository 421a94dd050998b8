/** Models of stick tables for tests: what the parser would give for a short `stick-table` line. */
import type { StickTableModel } from '../../lib/config/model.js';
import { StickTable } from '../../lib/stick-table/table.js';

export function tableModel(
	store: readonly string[] = [],
	options: Partial<Omit<StickTableModel, 'store'>> = {},
): StickTableModel {
	const keyType = options.keyType ?? 'ip';
	const lengths = { ip: 4, ipv6: 16, integer: 4, string: 32, binary: 32 } as const;
	return {
		place: { file: 'test.cfg', line: 1 },
		name: 't',
		keyLengthBytes: lengths[keyType],
		size: 1024,
		expireMs: 60_000,
		nopurge: false,
		recvOnly: false,
		writeTo: undefined,
		srvkey: 'name',
		bratesFactor: 1,
		peers: undefined,
		...options,
		keyType,
		store: store.map(stored),
	};
}

/** `http_req_rate(10000)`, `gpc(3)`, `gpc_rate(3,10000)`: periods in ms. */
function stored(text: string): StickTableModel['store'][number] {
	const [, type = '', args] = /^(\w+)(?:\(([\d,]+)\))?$/.exec(text) ?? [];
	const numbers = (args ?? '').split(',').filter(Boolean).map(Number);
	const isArray = type === 'gpc' || type === 'gpt' || type === 'gpc_rate';
	return {
		type,
		count: isArray ? numbers[0] : undefined,
		periodMs: type.endsWith('_rate') ? numbers.at(-1) : undefined,
	};
}

export function makeTable(
	store: readonly string[] = [],
	options: Partial<Omit<StickTableModel, 'store'>> = {},
): StickTable {
	const model = tableModel(store, options);
	return new StickTable(model, StickTable.allocate(model));
}
