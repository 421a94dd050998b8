/** The statistics page of nodes that share their tables through a real redis-server, in a real browser. */
import t from 'tap';
import { skipUnlessChromium, startChromium } from '../fixtures/chromium.js';
import { request } from '../fixtures/http-client.js';
import { startProgram } from '../fixtures/program.js';
import { type RedisServer, skipUnlessRedis, startRedis } from '../fixtures/redis.js';
import { waitFor } from '../fixtures/wait-for.js';

const config = (redis: RedisServer): string => `
global
  log stdout format raw local0 info
defaults
  mode http
  timeout client 10s
  timeout server 10s
  timeout connect 1s
peers cluster
  redis ${redis.url} interval 20ms
  table req.local type string len 32 size 1k expire 10m store http_req_cnt
  table marked type string len 32 size 1k expire 10m store gpt0
aggregations sums
  peers cluster
  from .local to .sum
frontend web
  bind 127.0.0.1:\${port1}
  http-request track-sc0 hdr(x-user) table cluster/req.local
  http-request track-sc1 hdr(x-user) table cluster/marked
  http-request sc-set-gpt0(1) 5
  http-request return status 204
listen admin
  bind 127.0.0.1:\${port2}
  stats uri /stats
  http-request use-service prometheus-exporter if { path /metrics }
`;

t.setTimeout(120_000);

t.test(
	'the Redis panel in Chromium',
	{ skip: skipUnlessChromium() || skipUnlessRedis(), timeout: 110_000 },
	async (t) => {
		const redis = await startRedis(t);
		const start = (name: string) =>
			startProgram(t, { program: 'holdfast', config: config(redis), ports: 2, args: ['-L', name] });
		const [one, two] = await Promise.all([start('lb1'), start('lb2')]);
		await request(one.port(1), '/', { headers: { 'x-user': 'alice' } });
		await request(two.port(1), '/', { headers: { 'x-user': 'bob' } });
		const browser = await startChromium();
		t.teardown(() => browser.close());
		const page = await browser.newPage();
		const complaints: string[] = [];
		page.on('console', (message) => {
			if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
		});
		page.on('pageerror', (error) => complaints.push(error.message));
		await page.goto(`http://127.0.0.1:${one.port(2)}/stats`);
		const text = async (): Promise<string> => (await page.locator('#redis-list').textContent()) ?? '';
		await waitFor('the other node', async () => /lb2there/.test(await text()));
		await waitFor('what both wrote', async () => /req\.local \(shares\)writesnothing1/.test(await text()));
		t.equal(await page.locator('#redis').isVisible(), true);
		t.equal(await page.locator('a[href="#redis"]').isVisible(), true);
		t.match(await text(), new RegExp(`cluster${redis.url}therelb1 writes`));
		t.match(await text(), /markedwritesnothing[12]/, 'entries that all have in common');
		t.same(await page.locator('#redis-list caption').allTextContents(), [
			'Redis of cluster',
			'Tables through Redis of cluster',
			'Nodes beyond Redis of cluster',
		]);
		// Of what is overwritten there is no share: those rows are no sums.
		await page.locator('#sum-list tbody tr').first().waitFor();
		t.equal(await page.locator('#sum-list tbody tr').count(), 1);
		t.match(
			await page.locator('#sum-list').textContent(),
			/lb2 \(Redis\)\S+req\.local to \S+req\.sumthere1\S*(?:\d+m?s|ago)/,
		);
		t.equal(await page.locator('#troubles').textContent(), 'All is well');

		await redis.kill();
		await waitFor('what needs attention', async () =>
			/Redis of cluster is away: /.test((await page.locator('#troubles').textContent()) ?? ''),
		);
		t.match(await text(), /away/);
		const { body: away } = await request(one.port(2), '/metrics');
		t.match(away, /holdfast_redis_up\{section="cluster"\} 0/);
		await redis.start();
		await waitFor('it is well', async () =>
			/^All is well$/.test((await page.locator('#troubles').textContent()) ?? ''),
		);
		const { body } = await request(one.port(2), '/metrics');
		t.match(body, /holdfast_redis_up\{section="cluster"\} 1/);
		t.match(body, /holdfast_redis_connects_total\{section="cluster"\} [23]/);
		t.match(body, /holdfast_redis_table_entries\{section="cluster",table="\/marked"\} [12]\b/);
		t.same(complaints, [], 'the browser has nothing to complain about');
	},
);
