// Types that several files share, and what the parameter file needs.

@export()
@description('Names and values; every resource gets them.')
type tagsOf = {
  *: string
}

@export()
@description('ARM ids of the DNS zones by service.')
type zones = {
  blob: string
  queue: string
  table: string
  registry: string
}

@export()
@description('A variable that is set to nothing, as a workflow does with each that nobody set, counts as not set.')
func text(given string, otherwise string) string => empty(given) ? otherwise : given
