"""What GET /api says is valid OpenAPI, and a client made from it works.

    check.py URL TOKEN FOLDER

Prints a line for each check, "ok" or "not ok" and what was found.
"""

import importlib
import pathlib
import subprocess
import sys
import urllib.parse
import urllib.request

import yaml
from openapi_spec_validator import OpenAPIV31SpecValidator

url, token, folder = sys.argv[1:]


def check(good, name, found=''):
    """Print the result of one check."""
    print('ok' if good else 'not ok', '-', name, '' if good else repr(found))


def get(path):
    """The body of a response."""
    with urllib.request.urlopen(url + path) as response:
        return response.read().decode()


def references(value, found):
    """All that a document refers to."""
    if isinstance(value, dict):
        if isinstance(value.get('$ref'), str):
            found.append(value['$ref'])
        for member in value.values():
            references(member, found)
    elif isinstance(value, list):
        for element in value:
            references(element, found)
    return found


def resolves(document, reference):
    """Whether a reference is to a place of the document."""
    if not reference.startswith('#/'):
        return False
    for step in urllib.parse.unquote(reference[2:]).split('/'):
        step = step.replace('~1', '/').replace('~0', '~')
        if isinstance(document, list):
            document = document[int(step)] if int(step) < len(document) else None
        else:
            document = document.get(step) if isinstance(document, dict) else None
        if document is None:
            return False
    return True


def follow(document, value, *steps):
    """What is at the end of some steps, each of which may be a reference."""
    for step in (*steps, None):
        while isinstance(value, dict) and '$ref' in value:
            target = document
            for part in urllib.parse.unquote(value['$ref'][2:]).split('/'):
                part = part.replace('~1', '/').replace('~0', '~')
                target = target[int(part)] if isinstance(target, list) else target[part]
            value = target
        if step is not None:
            value = value.get(step, {}) if isinstance(value, dict) else {}
    return value


def check_references(document):
    """Check that references lead to what they led to before."""
    def body(topic, *steps):
        return follow(document, document['paths']['/topics/' + topic]['post']['requestBody'],
                      'content', 'application/json', 'schema', *steps)

    check(body('orders', 'properties', 'id').get('maxLength') == 100, 'a reference within a schema', body('orders'))
    check(body('orders', 'properties', 'amount').get('minimum') == 0, 'to a registered one, by its base', body('orders'))
    check(body('orders', 'properties', 'lines', 'items', 'properties', 'price').get('minimum') == 0,
          'from there to another', body('orders'))
    check(body('orders', 'properties', 'currency').get('minLength') == 3, 'to a part of one', body('orders'))
    check(body('orders', 'properties', 'label').get('type') == 'string', 'to an anchor', body('orders'))


def check_document(document):
    """Check the document itself."""
    faults = [str(fault)[:500] for fault in OpenAPIV31SpecValidator(document).iter_errors()]
    check(faults == [], 'valid OpenAPI 3.1', faults[:3])
    found = references(document, [])
    lost = [reference for reference in found if not resolves(document, reference)]
    check(len(found) > 20 and lost == [], 'references stay in the document', lost)
    operations = [operation for path in document['paths'].values()
                  for method, operation in path.items() if method in ('get', 'post')]
    names = [operation.get('operationId') for operation in operations]
    check(None not in names and len(set(names)) == len(names), 'operations have names', names)
    check(all(operation.get('security') == [] or document['security'] for operation in operations),
          'and security')
    check(document['servers'][0]['url'] == './', 'servers')
    for path in ('/api', '/docs', '/token', '/health', '/topics', '/topics/{topic_name}', '/stats/{topic_name}',
                 '/events', '/events/{id}', '/users/{user_id}/services', '/topics/orders', '/topics/a%20b'):
        check(path in document['paths'], 'path ' + path)
    check('/terminate' not in document['paths'], 'none that is off')


def make_client():
    """Have a client made, and import it."""
    pathlib.Path(folder, 'api.yaml').write_text(get('/api'), encoding='utf-8')
    pathlib.Path(folder, 'config.yaml').write_text('post_hooks: []\npackage_name_override: made_client\n', encoding='utf-8')
    made = subprocess.run(
        [sys.executable, '-m', 'openapi_python_client', 'generate', '--path', folder + '/api.yaml', '--config', folder + '/config.yaml',
         '--meta', 'none', '--output-path', folder + '/made_client'], capture_output=True, text=True, check=False)
    # it knows no YAML but as a file
    said = made.stdout + made.stderr
    check(made.returncode == 0 and said.count('WARNING') == 1 and 'application/yaml' in said and 'Unable' not in said,
          'a client is made of all of it', said)
    sys.path.insert(0, folder)
    return importlib.import_module('made_client')


def call(group, name, client, **arguments):
    """Call an operation of the client."""
    module = importlib.import_module(f'made_client.api.{group}.{name}')
    return module.sync_detailed(client=client, **arguments)


def check_client(package):
    """Have the client do what it is for."""
    models = importlib.import_module('made_client.models')
    client = package.AuthenticatedClient(base_url=url, token=token)
    response = call('events', 'list_topics', client)
    check('orders' in (response.parsed or []), 'topics', response)
    order = models.TopicOrders.from_dict({'id': 'o-1', 'amount': 9.5, 'lines': [{'sku': 'a'}]})
    response = call('events', 'publish_orders', client, body=order)
    check(response.status_code == 202 and response.parsed.success, 'an event is published', response)
    response = call('events', 'publish_orders', client, body=models.TopicOrders.from_dict({'id': 'o-2', 'amount': -1}))
    check(response.status_code == 400 and response.parsed.errors[0].type_ == 'validation', 'a bad one is refused', response)
    response = call('events', 'publish_orders', package.Client(base_url=url), body=order)
    check(response.status_code == 401, 'without a token as well', response)
    event = models.NewEvent.from_dict({'type': 't', 'payload': {'a': 1}})
    response = call('logger', 'log_event', client, body=event, idempotency_key='k-1')
    check(response.status_code == 201 and response.parsed.id == 'k-1', 'an event is logged', response)
    response = call('logger', 'get_event', client, id='k-1')
    check(response.parsed.payload.to_dict() == {'a': 1}, 'and read', response)
    response = call('logger', 'list_events', client, limit=1)
    check(len(response.parsed.data) == 1 and not response.parsed.pagination.has_more, 'and listed', response)
    response = call('query', 'get_services', client, user_id='Alice')
    check(response.parsed.services == [], 'the services of a user', response)
    response = call('service', 'get_health', client)
    check(response.parsed.status == 'ok', 'health', response)
    response = call('events', 'get_stats', client, topic_name='orders', body=models.StatsQuery(limit=1))
    check(response.parsed.data[0]['event_id'] == 'o-1', 'statistics', response)


served = yaml.safe_load(get('/api'))
check_document(served)
check_references(served)
check_client(make_client())
