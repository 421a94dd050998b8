/** Names of fields in the case that is asked for, and nothing else of a head. */
import t from 'tap';
import { adjustCase } from '../../lib/http/case-adjust.js';

const CASES = new Map([
	['host', 'Host'],
	['x-a', 'X-a'],
	['get / http/1.1', 'never'],
]);

t.test('names, not values and not the first line', async (t) => {
	t.equal(
		adjustCase('GET /x-a:1 HTTP/1.1\r\nhost: host:80\r\nx-a: x-a: 1\r\nx-ab: 2\r\n\r\n', CASES),
		'GET /x-a:1 HTTP/1.1\r\nHost: host:80\r\nX-a: x-a: 1\r\nx-ab: 2\r\n\r\n',
	);
	t.equal(adjustCase('HTTP/1.1 200 OK\r\n\r\n', CASES), 'HTTP/1.1 200 OK\r\n\r\n');
	t.equal(adjustCase('', CASES), '');
});
