/** `compression`, `filter`, `cache` sections and what refers to them: read well, or refused with the place. */
import t from 'tap';
import { load } from './load.js';

const HEAD = 'defaults\n mode http\n timeout client 1s\n timeout server 1s\n timeout connect 1s\n';
const CACHE = 'cache c\n total-max-size 4\n';
const BACK = 'backend b\n server s 127.0.0.1:2\n';
const alerts = (text: string): string[] => load(HEAD + text).remarks.filter((remark) => remark.startsWith('alert'));

t.test('a cache section, with its defaults', async (t) => {
	const model = load(
		`${HEAD}${CACHE} max-age 240\n process-vary on\ncache d\n total-max-size 8\n max-object-size 9\n`,
	).model;
	t.match(model?.caches, [
		{
			name: 'c',
			totalSizeBytes: 4 * 1024 * 1024,
			objectSizeMax: 16384,
			ageMaxSeconds: 240,
			processVary: true,
			secondaryEntriesMax: 10,
		},
		{ name: 'd', objectSizeMax: 9, ageMaxSeconds: 60, processVary: false },
	]);
});

t.test('compression, from defaults on', async (t) => {
	const loaded = load(
		`${HEAD} compression algo gzip\n compression offload\nfrontend f\n bind 127.0.0.1:1\n compression algo deflate\n compression type text/html text/css\n compression offload\n compression minsize-res 1k\n${BACK}`,
	);
	t.match(loaded.model?.proxies[0]?.compression, {
		responseAlgorithms: ['gzip', 'deflate'],
		responseTypes: ['text/html', 'text/css'],
		offload: true,
		responseSizeMin: 1024,
		direction: 'response',
	});
	t.match(loaded.model?.proxies[1]?.compression, { responseAlgorithms: ['gzip'], offload: false });
	t.ok(loaded.remarks.some((remark) => /^warning .*'offload' ignored in 'defaults' section/.test(remark)));
});

t.test('filters, in their order', async (t) => {
	const { model, remarks } = load(
		`${HEAD}${CACHE}${BACK} filter cache c\n filter bwlim-out slow default-limit 1m default-period 1s min-size 2k\n filter compression\n filter bwlim-in up limit 10m key src,ipmask(24) table b\n stick-table type ip size 10 store bytes_in_rate(1s)\n http-request cache-use c\n`,
	);
	t.same(remarks, []);
	t.match(model?.proxies[0]?.filters, [
		{ kind: 'cache', cache: 'c' },
		{ kind: 'bwlim', name: 'slow', outgoing: true, sizeMin: 2048, perStream: { limit: 1048576, periodMs: 1000 } },
		{ kind: 'compression' },
		{
			kind: 'bwlim',
			name: 'up',
			outgoing: false,
			shared: { limit: 10485760, table: 'b', key: { words: ['src,ipmask(24)'] } },
		},
	]);
});

t.test('what is refused, and where', async (t) => {
	const rows: [string, RegExp][] = [
		['cache c\n', /alert 6: Size not specified for cache 'c'/],
		['cache\n', /alert 6: 'cache' expects a <name> argument/],
		[CACHE + CACHE, /alert 8: Duplicate cache name 'c'/],
		['cache c\n total-max-size 4096\n', /alert 7: 'total-max-size' expects an integer between 1 and 4095/],
		['cache c\n total-max-size 4\n max-object-size 2097153\n', /limited to an half of "total-max-size" => 2097152/],
		['cache c\n total-max-size 4\n process-vary maybe\n', /'process-vary' expects 'on', 'off'/],
		['cache c\n total-max-size 4\n max-secondary-entries 0\n', /alert 8: 'max-secondary-entries'/],
		['cache c\n total-max-size 4\n foo 3\n', /unknown keyword 'foo' in 'cache' section/],
		[`${CACHE}${BACK} filter compression\n filter cache c\n`, /alert 11: .*before the cache 'c'/],
		[`${CACHE}${BACK} filter cache d\n`, /alert 10: .*unable to find the cache 'd'/],
		[`${CACHE}${BACK} http-request cache-use d\n`, /alert 10: .*unable to find the cache 'd'/],
		[`${CACHE}${BACK} http-response cache-store d\n`, /alert 10: .*unable to find the cache 'd'/],
		[`${BACK} filter foo\n`, /alert 8: 'filter' : unknown keyword 'foo'/],
		[`${BACK} filter\n`, /alert 8: missing argument for 'filter' in backend 'b'/],
		[`${BACK} filter spoe config x\n`, /alert 8: 'filter spoe' is not supported by holdfast/],
		[`${BACK} filter trace\n`, /'filter trace' is not supported by holdfast/],
		[`${BACK} compression foo\n`, /alert 8: unknown 'compression' parameter 'foo'/],
		[`${BACK} compression algo\n`, /'compression' expects <algorithm>/],
		[`${BACK} compression algo gzp\n`, /'gzp' is not a supported algorithm.*'gzip'/],
		[`${BACK} compression type\n`, /'compression' expects <type>/],
		[`${BACK} compression direction up\n`, /'compression direction' expects 'request', 'response', 'both'/],
		[`${BACK} filter bwlim-out x\n`, /expects 'default-limit' and 'default-period', or 'limit' and 'key'/],
		[`${BACK} filter bwlim-out\n`, /expects a <name> as argument/],
		[`${BACK} filter bwlim-out x default-limit 1m default-period 0\n`, /invalid value for 'default-period'/],
		[`${BACK} filter bwlim-out x default-limit 1m key src\n`, /cannot be mixed/],
		[`${BACK} filter bwlim-out x limit 1m\n`, /a shared limit expects 'limit' and 'key'/],
		[`${BACK} filter bwlim-out x default-limit 1m default-period 1s bogus 3\n`, /unexpected argument 'bogus'/],
		[
			`${CACHE}${BACK} filter bwlim-out x default-limit 1m default-period 1s\n http-request cache-use c\n`,
			/require an explicit filter declaration to use the cache 'c'/,
		],
		[
			`${BACK} filter bwlim-out x default-limit 1m default-period 1s\n compression algo gzip\n`,
			/require an explicit filter declaration to use HTTP compression/,
		],
		[`defaults x\n mode http\n filter compression\n${BACK}`, /alert 8: 'filter' not allowed in 'defaults' section/],
		[
			'listen l\n bind 127.0.0.1:1\n mode tcp\n filter bwlim-out x default-limit 1m default-period 1s\n',
			/alert 9: .*'filter bwlim-out' is not supported by holdfast in 'mode tcp'/,
		],
		[`${BACK} http-send-name-header\n`, /'http-send-name-header' expects <header name>/],
		[`${BACK} http-send-name-header a(b)\n`, /expects the name of a field, got 'a\(b\)'/],
	];
	for (const [text, expected] of rows) {
		const found = alerts(text);
		t.ok(
			found.some((remark) => expected.test(remark)),
			`${text.split('\n').slice(-2, -1)[0]}: ${found.join(' | ')}`,
		);
	}
});

t.test('limits of compression', async (t) => {
	const { model, remarks } = load(
		`global\n maxcomprate 100\n maxcompcpuusage 50\n tune.comp.maxlevel 9\n${HEAD}${BACK}`,
	);
	t.same(remarks, []);
	t.equal(model?.global.compressionRateMax, 102_400);
	t.equal(model?.global.compressionCpuMaxPercent, 50);
	t.equal(model?.global.tune.compressionLevelMax, 9);
	t.match(load('global\n tune.comp.maxlevel 10\n').remarks, [/alert 2: 'tune.comp.maxlevel'/]);
	t.match(load('global\n maxcompcpuusage 101\n').remarks, [/alert 2: 'maxcompcpuusage'/]);
});
