/** The text of state files; what becomes of them beside HAProxy is in test/interop/server-state.test.ts. */
import t from 'tap';
import { parseStateFile } from '../../lib/config/server-state-file.js';

const ROW = '2 a 1 s1 127.0.0.1 2 8 5 10 100 15 3 4 6 0 0 0 - 80 - 0 0 - - 0';
const file = (...rows: string[]) => `1\n# be_id ...\n${rows.join('\n')}\n`;

t.test('a row', async (t) => {
	t.match(parseStateFile(file(ROW)), {
		rows: [
			{
				backendId: 2,
				backend: 'a',
				serverId: 1,
				server: 's1',
				state: {
					address: '127.0.0.1',
					port: 80,
					admin: 8,
					weight: 5,
					initialWeight: 10,
					ageSeconds: 100,
					checkHealth: 4,
				},
			},
		],
	});
	t.match(parseStateFile(file(ROW.replace('127.0.0.1', '-').replace(' - 80', ' a.test 80'))), {
		rows: [{ state: { address: undefined, hostName: 'a.test' } }],
	});
	t.match(parseStateFile(file(ROW.split(' ').slice(0, 19).join(' '))), { rows: [{}] }, 'the columns of 2.0');
});

t.test('a broken line spoils the file and is named', async (t) => {
	t.same(parseStateFile('2\n'), { fault: 'version' });
	t.same(parseStateFile(''), { fault: 'version' });
	for (const row of [
		'bogus',
		ROW.replace('2 8 5', '9 8 5'),
		ROW.replace(' 80 ', ' 99999 '),
		ROW.replace('5 10', '5 300'),
		ROW.replace('2 a', 'x a'),
	]) {
		t.same(parseStateFile(file(ROW, row)), { fault: 'line 4' }, row);
	}
});
