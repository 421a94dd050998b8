/** What a data thread logs, as the control thread writes it. */
import { pino } from 'pino';
import t from 'tap';
import { createThreadLogger, type LogEntry, receivedFields } from '../../lib/process/thread-logger.js';

t.test('errors keep name, message and stack on their way to another thread', (t) => {
	const entries: LogEntry[] = [];
	const logger = createThreadLogger((entry) => entries.push(structuredClone(entry)));
	const error = new RangeError('beyond');
	logger.error({ err: error, count: 3, callback: () => undefined, list: [1, 2] }, 'it failed');
	logger.warn('only words');
	const lines: string[] = [];
	const receiver = pino({ level: 'info' }, { write: (line: string) => lines.push(line) });
	for (const { level, fields, text } of entries) receiver[level](receivedFields(fields), text);
	const [first = '{}', second = '{}'] = lines;
	t.match(JSON.parse(first), {
		level: 50,
		msg: 'it failed',
		count: 3,
		list: '1,2',
		err: { type: 'RangeError', message: 'beyond', stack: error.stack },
	});
	t.match(JSON.parse(second), { level: 40, msg: 'only words' });
	t.end();
});
