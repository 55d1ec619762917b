"""What other engines are told of a cluster: Prometheus, Alertmanager and Grafana. Pure: a topology in, texts out.

forms.py        what rules are made of
promql.py       pieces of queries that rules and dashboards share
recordings.py   series that are worked out once and asked for often
objectives.py   what is promised to players, and how fast the failures that are allowed are used up
alerts/         when somebody is to be told, by theme
rules.py        all rules as files
yamltext.py     data as YAML that one likes to read
scraping.py     prometheus.yml, and who is to be asked: targets.json
notifying.py    alertmanager.yml: who is told, and which alerts hide others
panels.py       what dashboards are made of
dashboards/     the dashboards, as data
grafana.py      dashboards as Grafana reads them, and the files by which it finds them
"""
