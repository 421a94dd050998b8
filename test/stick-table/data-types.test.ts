import t from 'tap';
import {
	ARRAY_FALLBACKS,
	DATA_TYPES,
	dataTypeByName,
	dataTypeByWireId,
	EXCLUSIVE_TYPES,
} from '../../lib/stick-table/data-types.js';

/** The list of peers-protocol.md, 8.1, written down a second time. */
const WIRE: readonly (readonly [name: string, dataClass: string, remarks: string])[] = [
	['server_id', 'int32', 'as-is'],
	['gpt0', 'uint32', 'as-is'],
	['gpc0', 'uint32', ''],
	['gpc0_rate', 'rate', ''],
	['conn_cnt', 'uint32', ''],
	['conn_rate', 'rate', ''],
	['conn_cur', 'uint32', 'local'],
	['sess_cnt', 'uint32', ''],
	['sess_rate', 'rate', ''],
	['http_req_cnt', 'uint32', ''],
	['http_req_rate', 'rate', ''],
	['http_err_cnt', 'uint32', ''],
	['http_err_rate', 'rate', ''],
	['bytes_in_cnt', 'uint64', ''],
	['bytes_in_rate', 'rate', 'brates'],
	['bytes_out_cnt', 'uint64', ''],
	['bytes_out_rate', 'rate', 'brates'],
	['gpc1', 'uint32', ''],
	['gpc1_rate', 'rate', ''],
	['server_key', 'string', 'as-is'],
	['http_fail_cnt', 'uint32', ''],
	['http_fail_rate', 'rate', ''],
	['gpt', 'uint32', 'as-is array'],
	['gpc', 'uint32', 'array'],
	['gpc_rate', 'rate', 'array'],
	['glitch_cnt', 'uint32', ''],
	['glitch_rate', 'rate', ''],
];

t.test('the table of data types is the one on the wire', async (t) => {
	t.equal(DATA_TYPES.length, WIRE.length);
	for (const [wireId, [name, dataClass, remarks]] of WIRE.entries()) {
		const type = dataTypeByWireId(wireId);
		t.match(type, { name, wireId, class: dataClass });
		const flags = [
			type?.isLocalOnly === true ? 'local' : '',
			type?.isAsIs === true ? 'as-is' : '',
			type?.usesBratesFactor === true ? 'brates' : '',
			type?.isArray === true ? 'array' : '',
		];
		t.equal(flags.filter(Boolean).join(' '), remarks, name);
		t.equal(dataTypeByName(name), type);
	}
});

t.test('names from outside are only names', async (t) => {
	t.equal(dataTypeByName('server_name')?.name, 'server_key', 'old synonym');
	for (const name of ['', '__proto__', 'constructor', 'toString', 'GPC0', 'gpc2'])
		t.equal(dataTypeByName(name), undefined);
	t.equal(dataTypeByWireId(27), undefined);
	t.equal(dataTypeByWireId(-1), undefined);
});

t.test('rules between types name types that exist', async (t) => {
	for (const [array, scalars] of EXCLUSIVE_TYPES) {
		t.ok(dataTypeByName(array)?.isArray);
		for (const scalar of scalars) t.equal(dataTypeByName(scalar)?.class, dataTypeByName(array)?.class);
	}
	for (const [scalar, { array, index }] of ARRAY_FALLBACKS) {
		t.equal(dataTypeByName(scalar)?.class, dataTypeByName(array)?.class);
		t.ok(index === 0 || index === 1);
	}
});
