import fc from 'fast-check';
import t from 'tap';
import { DynamicTable, STATIC_COUNT, STATIC_NAMES, STATIC_VALUES } from '../../../lib/http/h2/hpack-tables.js';

t.test('the static table of appendix A', async (t) => {
	t.equal(STATIC_COUNT, 61);
	for (const [index, name, value] of [
		[1, ':authority', ''],
		[2, ':method', 'GET'],
		[7, ':scheme', 'https'],
		[8, ':status', '200'],
		[14, ':status', '500'],
		[15, 'accept-charset', ''],
		[16, 'accept-encoding', 'gzip, deflate'],
		[32, 'cookie', ''],
		[46, 'location', ''],
		[61, 'www-authenticate', ''],
	] as const) {
		t.equal(STATIC_NAMES[index], name);
		t.equal(STATIC_VALUES[index], value);
	}
	const sorted = STATIC_NAMES.slice(16);
	t.same(
		sorted.filter((name) => name !== 'accept'),
		[...sorted].sort().filter((name) => name !== 'accept'),
	);
});

t.test('against a list', async () => {
	fc.assert(
		fc.property(
			fc.array(
				fc.oneof(
					{ weight: 10, arbitrary: fc.record({ name: fc.nat(40), value: fc.nat(120) }) },
					{ weight: 1, arbitrary: fc.record({ maxBytes: fc.nat(600) }) },
				),
				{ maxLength: 200 },
			),
			(operations) => {
				const table = new DynamicTable(400);
				let maxBytes = 400;
				const list: [string, string][] = [];
				const size = (): number => list.reduce((sum, [name, value]) => sum + 32 + name.length + value.length, 0);
				for (const [i, one] of operations.entries()) {
					if ('maxBytes' in one) {
						({ maxBytes } = one);
						table.setMaxBytes(maxBytes);
					} else {
						const field = [`${i}`.padEnd(one.name, 'n'), `${i}`.padEnd(one.value, 'v')] as [string, string];
						table.insert(...field);
						list.unshift(field);
					}
					while (size() > maxBytes) list.pop();
					if (table.count !== list.length || table.sizeBytes !== size()) return false;
					if (list.some(([name, value], at) => table.name(at) !== name || table.value(at) !== value)) return false;
				}
				return true;
			},
		),
		{ numRuns: 300 },
	);
});

t.test('an entry larger than the table empties it (section 4.4)', async (t) => {
	const table = new DynamicTable(100);
	table.insert('a', 'b');
	t.equal(table.sizeBytes, 34);
	table.insert('a', 'b'.repeat(68));
	t.equal(table.count, 0);
	t.equal(table.sizeBytes, 0);
	table.insert('a', 'b'.repeat(67));
	t.equal(table.count, 1, 'just as large as it');
});
