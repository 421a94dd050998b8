/**
 * The statistics page in a real browser, served by the whole program: what a reader sees, that it lives, that its forms
 * act, that nothing comes from elsewhere, and that names and keys stay text.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import type { Page } from 'playwright-core';
import t from 'tap';
import { skipUnlessChromium, startChromium } from '../fixtures/chromium.js';
import { request } from '../fixtures/http-client.js';
import { startProgram } from '../fixtures/program.js';
import { waitFor } from '../fixtures/wait-for.js';

const EVIL = '<img src=x onerror=alert(1)><script>alert(2)</script>"\'&';

const CONFIG = `
global
  nbthread 2
  description "<b onmouseover=alert(3)>&amp;"
defaults
  mode http
  timeout client 10s
  timeout server 10s
  timeout connect 1s
frontend web
  bind 127.0.0.1:\${port1}
  description "<i>web</i>"
  stick-table type string len 100 size 20 expire 60s store http_req_rate(10s),http_err_cnt
  http-request track-sc0 hdr(x-user)
  http-request deny deny_status 429 if { sc_http_req_rate(0) gt 5 }
  http-request return status 204
  default_backend app
backend app
  server one 127.0.0.1:\${port1}
  server two 127.0.0.1:\${port1} disabled
listen admin
  bind 127.0.0.1:\${port2}
  stats uri /stats
  stats show-legends
  stats show-desc
  stats show-node "<u>node"
  stats admin if TRUE
  stats refresh 5s
`;

const NBSP = '\u00a0';

async function openPage(page: Page, url: string): Promise<string[]> {
	const troubles: string[] = [];
	page.on('console', (message) => {
		if (message.type() === 'error' || message.type() === 'warning') troubles.push(message.text());
	});
	page.on('pageerror', (error) => troubles.push(error.message));
	page.on('dialog', (dialog) => {
		troubles.push(`dialog: ${dialog.message()}`);
		void dialog.dismiss();
	});
	await page.goto(url);
	return troubles;
}

t.setTimeout(120_000);

t.test('the page in Chromium', { skip: skipUnlessChromium(), timeout: 110_000 }, async (t) => {
	const program = await startProgram(t, { program: 'holdfast', config: CONFIG, ports: 2 });
	for (let i = 0; i < 9; i++) await request(program.port(1), '/', { headers: { 'x-user': EVIL } });
	const url = `http://127.0.0.1:${program.port(2)}/stats`;
	const browser = await startChromium();
	t.teardown(() => browser.close());

	await t.test('renders, lives, and is nobody else’s', async (t) => {
		const page = await browser.newPage();
		const asked: string[] = [];
		page.on('request', (one) => asked.push(one.url()));
		const troubles = await openPage(page, url);
		t.match(await page.title(), 'Statistics');
		t.equal(await page.locator('h1 .node').textContent(), '<u>node', 'a name is text');
		t.equal(await page.locator('.description').textContent(), '<b onmouseover=alert(3)>&amp;');
		t.same(
			await page.locator('.proxy h2 > a').allTextContents(),
			['web', 'app', 'admin'],
			'every proxy, in the order of the file',
		);
		t.same(
			await page
				.locator('#p3')
				.locator('xpath=..')
				.locator('tbody th.name')
				.evaluateAll((cells) => cells.map((cell) => cell.firstChild?.textContent)),
			['one', 'two', 'Backend'],
		);
		await page.locator('#table-cards .card').first().waitFor();
		t.equal(await page.locator('.key').first().textContent(), EVIL, 'a key is text');
		await page.locator('.refused').first().waitFor();
		t.match(
			await page.locator('.refused').first().textContent(),
			/refused by test\.cfg:15, /,
			'the rule that refused it',
		);
		t.match(await page.locator('#table-cards p').first().textContent(), /1 of 20 entries, 5\.0%/);
		t.equal(await page.locator('.chart canvas').count(), 5, 'charts are drawn');
		t.match(await page.locator('#live').textContent(), 'live');
		t.match(await page.locator('#reload-list').textContent(), 'serving');
		t.equal(await page.locator('#thread-list tbody tr').count(), 2);

		const cell = page.locator('#F2\\.0 > *').nth(12);
		const total = async (): Promise<number> => Number((await cell.textContent())?.replaceAll(NBSP, ''));
		const before = await total();
		await request(program.port(1), '/');
		await waitFor('another figure', async () => (await total()) > before);
		t.ok((await total()) > before, 'figures change under the reader');

		t.ok(
			asked.every((one) => one.startsWith(url)),
			`nothing but the page's own: ${asked.filter((one) => !one.startsWith(url) && !one.startsWith('data:'))}`,
		);
		const parts = await Promise.all(
			['', ';script', ';charts'].map((word) => request(program.port(2), `/stats${word}`)),
		);
		const bytes = parts.reduce((sum, { body }) => sum + body.length, 0);
		t.ok(bytes > 50_000 && bytes < 150_000, `the whole page is ${bytes} bytes`);
		t.same(troubles, [], 'the browser has nothing to complain about');
		await page.close();
	});

	await t.test('forms act', async (t) => {
		const page = await browser.newPage();
		const troubles = await openPage(page, url);
		const form = page.locator('form[method=post]').first();
		await form.locator('input[value=one]').check();
		await form.locator('select').selectOption('drain');
		await Promise.all([page.waitForURL(/st=DONE/), form.locator('button[type=submit]').click()]);
		t.match(await page.locator('.message').textContent(), 'Action processed successfully');
		t.match(await page.locator('#S3\\.1 > *').nth(2).textContent(), /^DRAIN/);
		const again = page.locator('form[method=post]').first();
		await again.locator('.pick-all').check();
		t.equal(await again.locator('input[name=s]:checked').count(), 2, 'all at once');
		await again.locator('select').selectOption('ready');
		await Promise.all([page.waitForURL(/st=DONE/), again.locator('button[type=submit]').click()]);
		t.equal(await page.locator('#S3\\.2 > *').nth(2).textContent(), 'no check', 'what was disabled is ready');
		t.same(troubles, []);
		await page.close();
	});

	await t.test('what needs attention stands on top', async (t) => {
		const page = await browser.newPage();
		const complaints = await openPage(page, url);
		await page.locator('#troubles h2').waitFor();
		t.equal(await page.locator('#troubles').textContent(), 'All is well');
		t.match(await page.locator('#table-cards th[scope=col]').nth(1).textContent(), 'http_req_rate in 10s');
		t.equal(await page.locator('#sums').isVisible(), false, 'nothing is summed');

		const config = readFileSync(program.configPath, 'latin1');
		writeFileSync(program.configPath, `${config}  <b>nonsense</b>\n`, 'latin1');
		program.child.kill('SIGUSR2');
		const failed = page.locator('#troubles li.bad a[href="#reloads"]');
		await failed.waitFor();
		t.match(await failed.textContent(), /^The last reload failed: \S*test\.cfg:\d+: .*<b>nonsense<\/b>/);
		t.equal(await page.locator('#troubles h2').textContent(), '1 thing needs attention');
		writeFileSync(program.configPath, config, 'latin1');

		for (let user = 0; user < 20; user++) {
			await request(program.port(1), '/', { headers: { 'x-user': `user${user}` } });
		}
		const losing = page.locator('#troubles li a[href="#tables"]');
		await losing.waitFor();
		t.match(await losing.textContent(), /^Table web is (?:100% full|full and loses entries)/);
		t.equal(await page.locator('#troubles[role=status]').count(), 1, 'and is spoken');
		t.same(complaints, []);
		await page.close();
	});

	await t.test('on a telephone, in the dark, by keyboard', async (t) => {
		const context = await browser.newContext({ viewport: { width: 390, height: 844 }, colorScheme: 'dark' });
		const page = await context.newPage();
		await openPage(page, url);
		await page.locator('#table-cards .card').first().waitFor();
		const overflow = await page.evaluate('document.documentElement.scrollWidth - window.innerWidth');
		t.equal(overflow, 0, 'nothing stands out of the screen');
		const background = await page.evaluate('getComputedStyle(document.body).backgroundColor');
		t.equal(background, 'rgb(14, 21, 19)', 'dark');
		const visible = (): Promise<number> => page.locator('#F2\\.0 > *:visible').count();
		const brief = await visible();
		await page.locator('#all-columns').press('Enter');
		t.ok((await visible()) > brief + 10, 'all columns when they are asked for');
		await page.keyboard.press('Tab');
		t.ok(await page.evaluate('document.activeElement !== document.body'), 'the focus goes on');
		t.equal(await page.locator('th:not([scope])').count(), 0, 'every head of a row or column says which it is');
		t.equal(await page.locator('table:not(:has(caption))').count(), 0, 'every table has a name');
		t.equal(await page.locator('[aria-live=polite]').count(), 1);
		await context.close();
	});
});

t.test('ten thousand servers', { skip: skipUnlessChromium(), timeout: 110_000 }, async (t) => {
	const servers = Array.from({ length: 10_000 }, (_, i) => `  server s${i} 127.0.0.1:9`).join('\n');
	const config = `global\n nbthread 1\ndefaults\n mode http\n timeout client 30s\n timeout server 1s\n timeout connect 1s\nfrontend st\n bind 127.0.0.1:\${port1}\n stats uri /stats\n http-request return status 204 if { path /ping }\n default_backend big\nbackend big\n${servers}\n`;
	const program = await startProgram(t, { program: 'holdfast', config, ports: 1 });
	// While the page is made, slice by slice, others are served by the same thread.
	let served = 0;
	let done = false;
	const pings = (async () => {
		while (!done) {
			await request(program.port(1), '/ping');
			served++;
		}
	})();
	const answers = await Promise.all(['/stats', '/stats;csv'].map((path) => request(program.port(1), path)));
	done = true;
	await pings;
	t.equal(answers[1]?.body.split('\n').length, 10_000 + 4, 'a line for each');
	t.ok(served > 5, `${served} others were answered meanwhile`);

	const browser = await startChromium();
	t.teardown(() => browser.close());
	const page = await browser.newPage();
	await openPage(page, `http://127.0.0.1:${program.port(1)}/stats`);
	const shown = () =>
		page.evaluate(
			"[...document.querySelectorAll('tr.server')].filter((row) => !row.hidden && !row.parentElement.hidden).length",
		);
	t.equal(await shown(), 200, 'some are shown');
	await page.locator('.show-more').click();
	t.equal(await shown(), 400, 'more when they are asked for');
	await page.locator('.find').fill('s777');
	await waitFor('eleven found among all', async () => (await shown()) === 11);
	await page.locator('.find').fill('');
	await waitFor('what was there before', async () => (await shown()) === 400);
});
