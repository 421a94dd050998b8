/** The aggregations section: what it makes of the tables, and what it refuses. */
import t from 'tap';
import { loadConfiguration } from '../../lib/config/index.js';
import type { ConfigModel, StickTableModel } from '../../lib/config/model.js';
import { Diagnostics } from '../../lib/core/diagnostics.js';

const HEAD = `defaults
  mode http
peers mesh
  peer a 127.0.0.1:10001
  peer b 127.0.0.1:10002
`;

function load(text: string): { model: ConfigModel | undefined; said: string[] } {
	const diagnostics = new Diagnostics();
	const model = loadConfiguration(
		{
			files: [{ path: 'test.cfg', content: text }],
			arguments: { localpeer: 'a' },
			hostName: 'unused',
			cores: 1,
			readFile: () => '',
		},
		diagnostics,
	);
	return { model, said: diagnostics.list.map(({ place, text: line }) => `${place?.line}: ${line}`) };
}

const tableOf = (model: ConfigModel | undefined, name: string): StickTableModel | undefined =>
	[
		...(model?.peers ?? []).flatMap(({ tables }) => tables),
		...(model?.proxies ?? []).flatMap((p) => p.stickTable ?? []),
	].find((table) => table.name === name);

t.test('a table of sums is made, or the declared one is taken', async (t) => {
	const { model, said } = load(`${HEAD}  table x.local type ip size 1k expire 1m store http_req_rate(10s)
  table y.local type string size 1k store gpc(3)
  table y.sum type string size 500 expire 9s store gpc(3)
backend t.local
  stick-table type integer size 100 store conn_cur peers mesh
aggregations s
  from .local to .sum
  peers mesh
peers other
  peer a 127.0.0.1:10003
`);
	t.same(said, []);
	t.match(tableOf(model, 'mesh/x.sum'), { sumOf: 'mesh/x.local', size: 2048, expireMs: 60_000, keyType: 'ip' });
	t.match(tableOf(model, 'mesh/y.sum'), { sumOf: 'mesh/y.local', size: 500, expireMs: 9000 });
	t.match(tableOf(model, 't.sum'), { sumOf: 't.local', size: 200, peers: 'mesh' });
	t.equal(tableOf(model, 'mesh/x.local')?.sumOf, undefined);
	t.equal(model?.peers.length, 2, 'the second "peers" opens a section');
	t.match(model?.aggregations, [{ name: 's', peers: 'mesh', section: undefined }]);
});

t.test('any table, and an aggregator for others', async (t) => {
	const any = load(`${HEAD}  table x type ip size 1k store gpc0\naggregations s\n  peers mesh\n  from any to .agg\n`);
	t.same(any.said, []);
	t.equal(tableOf(any.model, 'mesh/x.agg')?.sumOf, 'mesh/x');
	const { model, said } = load(`aggregations s
  peer aggr 127.0.0.1:10000 local
  peer lb1 127.0.0.1:10001
  peer low 127.0.0.1:10002 down
  peer top 127.0.0.1:10003 up
  from .local to .sum
  from .low to .top
  table-size 100k
`);
	t.same(said, []);
	const [aggregation] = model?.aggregations ?? [];
	t.same(
		[...(aggregation?.levels ?? [])],
		[
			['low', 'down'],
			['top', 'up'],
		],
	);
	t.equal(aggregation?.section?.peers.find(({ local }) => local)?.name, 'aggr');
	t.match(aggregation?.section?.bind?.address, { kind: 'ip', port: 10000 });
	t.equal(aggregation?.sums.length, 2);
	t.equal(aggregation?.tableSize, 102_400);
});

const REFUSED: readonly (readonly [text: string, expected: RegExp])[] = [
	[`${HEAD}aggregations s\n  peers mesh\n`, /6: .*sums nothing/],
	['aggregations s\n  from .a to .b\n', /1: .*has no nodes/],
	['aggregations s\n  peer lb1 127.0.0.1:1\n  from .a to .b\n', /no peer marked 'local'/],
	[
		'aggregations s\n  peer x 127.0.0.1:1 local\n  peer y 127.0.0.1:2 local\n  from .a to .b\n',
		/3: .*'x' is the local peer already/,
	],
	[
		`${HEAD}aggregations s\n  peers mesh\n  from .a to .b\n  table-size 5k\n`,
		/9: .*'table-size' is for tables that an aggregator/,
	],
	['aggregations s\n  peer x 127.0.0.1:1 local\n  from .a to .b\n  table-size 0\n', /holds nothing/],
	[`${HEAD}aggregations s\n  peers mash\n  from .a to .b\n`, /no peers section 'mash'.*mesh/],
	[`${HEAD}aggregations s\n  peers mesh\n  from .a to .b\n`, /8: .*has no table whose name ends in '.a'/],
	[`${HEAD}aggregations s\n  peers mesh\n  from .a .b\n`, /8: 'from' expects/],
	[`${HEAD}aggregations s\n  peers mesh\n  from .a to .a\n`, /sum of itself/],
	[`${HEAD}aggregations s\n  peers mesh\n  from .a to .b@c\n`, /character '@'/],
	[`${HEAD}aggregations s\n  peers mesh\n  peer x 127.0.0.1:1\n  from .a to .b\n`, /has both/],
	[`${HEAD}aggregations s\n  peers mesh\n  table x type ip size 1\n  from .a to .b\n`, /unknown keyword 'table'/],
	[
		`${HEAD}  table x.a type ip size 1k store gpc0\n  table x.b type ip size 1k store gpc1\naggregations s\n  peers mesh\n  from .a to .b\n`,
		/7: .*stores gpc1 instead of gpc0/,
	],
	[
		`${HEAD}  table x.a type ip size 1k store http_req_rate(1s)\n  table x.b type ip size 1k store http_req_rate(2s)\naggregations s\n  peers mesh\n  from .a to .b\n`,
		/http_req_rate\(2000ms\) instead of http_req_rate\(1000ms\)/,
	],
	[
		`${HEAD}  table x.a type ip size 1k store gpc0\n  table x.b type ipv6 size 1k store gpc0\naggregations s\n  peers mesh\n  from .a to .b\n`,
		/its keys are others/,
	],
	[
		`${HEAD}  table x.a type ip size 1k store gpc0\naggregations s\n  peers mesh\n  from .a to .b\n  from .b to .c\n`,
		/sums of sums/,
	],
	[`${HEAD}  redis redis://localhost\n`, /5: 'peer b' : peers section 'mesh' is shared through Redis/],
];

for (const [text, expected] of REFUSED) {
	t.test(`refused: ${expected}`, async (t) => {
		const { model, said } = load(text);
		t.equal(model, undefined);
		t.match(said.join('\n'), expected);
	});
}
