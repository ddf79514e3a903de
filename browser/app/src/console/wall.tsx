import { type Schemas } from '../lib/api'
import { count } from '../lib/format'
import { t } from '../lib/words'
import { Badge } from '../ui/badge'
import { When } from '../ui/time'
import { Part } from './page'

/** What the firewall has cause to alarm about, and where its rules spoke last: numbers, and nothing that was sent. */
export function Wall({ f }: { f: NonNullable<Schemas['FirewallView']> }) {
  return (
    <Part title={t('console.wall.title')} className="mb-12">
      {f.alarms.length === 0 ? <p className="text-soft">{t('console.wall.quiet')}</p> : (
        <ul className="max-w-180 border-t border-line">
          {f.alarms.map((a) => (
            <li key={`${a.kind} ${a.door} ${a.rule?.id ?? ''} ${a.account_id ?? ''}`} className="flex flex-wrap items-start justify-between gap-x-6 gap-y-1 border-b border-line py-2.5 text-sm">
              <span className="min-w-60 flex-1">
                <span className="font-medium">{t(`console.wall.kind.${a.kind}`)}</span>
                <span className="block text-soft">{t(`console.wall.door.${a.door}`)} · {t('console.wall.hits', { count: a.hits, n: count(a.hits) })} · <When at={a.raised_at} /></span>
                {a.rule && <Rule rule={a.rule} />}
                {a.account_id && <span className="ltr block font-mono text-xs break-all text-faint">{a.account_id}</span>}
              </span>
              {a.ended_at ? <Badge tone="plain">{t('console.wall.over')}</Badge> : <Badge tone="warm">{t('console.wall.stands')}</Badge>}
            </li>
          ))}
        </ul>
      )}
      {f.last.length > 0 && (
        <details className="mt-3 max-w-180 text-sm">
          <summary className="cursor-pointer py-2 text-soft">{t('console.wall.last')}</summary>
          <ul>
            {f.last.map((h, i) => (
              <li key={`${h.at} ${i}`} className="border-b border-line py-2">
                <span className="text-soft"><When at={h.at} /> · {t(`console.wall.door.${h.door}`)}</span>
                {h.rules.map((r) => <Rule key={r.id} rule={r} />)}
                {(h.reference ?? h.account_id) && <span className="ltr block font-mono text-xs break-all text-faint">{h.reference ?? h.account_id}</span>}
              </li>
            ))}
          </ul>
        </details>
      )}
    </Part>
  )
}

const Rule = ({ rule }: { rule: Schemas['FirewallRule'] }) => <span className="block text-soft">{t('console.held.rule', { id: rule.id })} · <bdi lang="en">{rule.name}</bdi></span>
