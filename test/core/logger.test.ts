/** The program's own log: readable lines on a terminal, JSON elsewhere, a level that may change. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { createLogger, loggerLevelOf } from '../../lib/core/logger.js';

const LOGGER = fileURLToPath(new URL('../../lib/core/logger.ts', import.meta.url));

/** What a program writes to standard error that logs a few lines; with `plain` as if it were a terminal. */
function written(plain: boolean | undefined): Promise<string> {
	const code = `
		import { createLogger } from ${JSON.stringify(LOGGER)};
		const logger = createLogger({ level: 'warn'${plain === undefined ? '' : `, plain: ${plain}`} });
		logger.info('too small');
		logger.warn({ table: 't', peers: [1, 2] }, 'full');
		logger.level = 'debug';
		logger.debug('detail');
		logger.error({ err: new TypeError('a bug') }, 'failed');
		logger.level = 'silent';
		logger.error('not to be seen');
	`;
	return new Promise((resolve) => {
		const child = spawn(process.execPath, ['--import=tsx', '--input-type=module', '-e', code]);
		let text = '';
		child.stderr.setEncoding('utf8').on('data', (piece) => {
			text += piece;
		});
		child.on('close', () => resolve(text));
	});
}

t.test('JSON where nobody looks', async (t) => {
	const lines = (await written(undefined)).split('\n').filter((line) => line.startsWith('{'));
	const parsed = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
	t.match(parsed, [
		{ level: 40, msg: 'full', table: 't', peers: [1, 2] },
		{ level: 20, msg: 'detail' },
		{ level: 50, msg: 'failed', err: { type: 'TypeError', message: 'a bug', stack: /TypeError: a bug\n/ } },
	]);
	t.equal(parsed.length, 3);
});

t.test('plain lines for a person', async (t) => {
	const text = await written(true);
	t.match(
		text,
		/^\[WARNING\] {2}\(\d+\) : full table=t peers=\[1,2\]\n\[DEBUG\] {4}\(\d+\) : detail\n\[ALERT\] {4}\(\d+\) : failed\nTypeError: a bug\n {4}at /,
	);
	t.notMatch(text, /small|seen/);
});

t.test('levels', (t) => {
	const logger = createLogger({ level: 'error' });
	t.equal(logger.level, 'error');
	logger.level = 'silent';
	t.equal(logger.level, 'silent');
	t.equal(loggerLevelOf('warning'), 'warn');
	t.equal(loggerLevelOf('info'), 'info');
	t.equal(loggerLevelOf('loud'), undefined);
	t.end();
});
