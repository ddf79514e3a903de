import { Link } from '@tanstack/react-router'
import { t, tOf } from '../lib/words'
import type { ListName } from './lists'
import { Badge } from '../ui/badge'
import { cx } from '../ui/cx'
import { Icon, type IconName } from '../ui/icon'
import { Ago, When } from '../ui/time'
import type { Lead } from './data'

/** A lead in a list: who, about what, and the one figure that says why it is here. */
export function LeadRow({ lead, about }: { lead: Lead; about?: ListName | 'waiting' }) {
  return (
    <li className="arrives border-b border-line">
      <Link
        to="/desk/leads/$id"
        params={{ id: lead.id }}
        data-row
        className="flex min-h-18 items-center gap-3 px-4 py-2.5 outline-none hover:bg-hover focus-visible:outline-2 focus-visible:-outline-offset-2 focus-visible:outline-accent"
      >
        <span className="min-w-0 flex-1">
          <span className="flex items-center gap-2">
            <span className="truncate text-base font-semibold">{nameOf(lead)}</span>
            {lead.re_enquiry && <Badge tone="accent">{t('desk.lead.again')}</Badge>}
          </span>
          <span dir="auto" className="match mt-0.5 block truncate text-sm text-soft">
            {lead.project.name} · {lead.source.name}
          </span>
        </span>
        <Why lead={lead} about={about} />
      </Link>
    </li>
  )
}

export const nameOf = (lead: Lead) => (lead.person?.erased ? t('desk.lead.erased') : lead.person?.name || lead.person?.phone || lead.person?.email || t('desk.lead.noName'))

const signs: Record<string, IconName> = { call: 'phone', message: 'chat', meet: 'person', visit: 'home', other: 'note' }

function Why({ lead, about }: { lead: Lead; about?: ListName | 'waiting' }) {
  if (about === 'waiting' || about === 'new' || about === 'returned') {
    const tried = lead.attempted_at && about === 'new'
    return (
      <Figure warm={!tried} words={t(tried ? 'desk.why.tried' : 'desk.why.waits')}>
        <Ago at={lead.enquired_at} />
      </Figure>
    )
  }
  if (lead.next_at) {
    return (
      <Figure warm={lead.overdue} words={tOf('desk.what', lead.next_what ?? 'other')} icon={signs[lead.next_what ?? 'other']}>
        <When at={lead.next_at} />
      </Figure>
    )
  }
  return (
    <Figure words={lead.stage.name}>
      <Ago at={lead.enquired_at} />
    </Figure>
  )
}

function Figure({ warm, words, icon, children }: { warm?: boolean; words: string; icon?: IconName; children: React.ReactNode }) {
  return (
    <span className="flex shrink-0 flex-col items-end text-end">
      <span className={cx('text-base font-semibold', warm && 'text-warm')}>{children}</span>
      <span className="flex items-center gap-1 text-sm text-soft">
        {icon && <Icon name={icon} className="size-4" />}
        {words}
      </span>
    </span>
  )
}
